#!/usr/bin/env python3
"""Silero VAD: area under the ROC curve of speech / no speech on noisy synthetic speech (higher is better).

    vad.py CACHE [MODEL.onnx] [--limit SECONDS]

Works with all three forms in the cache, told apart by their inputs: silero_vad_sequence.onnx (whole signal, one LSTM
over the frames), silero_vad_16k.onnx and silero_vad.onnx (one frame per call, state fed back, `If` on the sample
rate). 16 kHz; a frame is 512 new samples after 64 old ones; output is the probability of speech.
Signal: nine spoken sentences (data/speech.txt, five for scoring, four for calibration) with pauses, mixed with
pink-like noise, hum and clicks at 15, 3 and -3 dB. Truth: level of the clean speech. Default: 90 seconds.
"""
import base64
import lzma

import numpy as np

import common

MODEL, HIGHER_IS_BETTER, RATE, FRAME = "silero_vad_sequence.onnx", True, 16000, 512


def clips():
    """Float clips in [-1, 1] from 8-bit mu-law: a line is a name and the LZMA stream of the samples in base 85."""
    out = []
    for line in (common.DATA / "speech.txt").read_text(encoding="ascii").splitlines():
        mu = (np.frombuffer(lzma.decompress(base64.b85decode(line.split("\t")[1])), np.uint8).astype(np.float64) - 128) / 127
        out.append((np.sign(mu) * (256 ** np.abs(mu) - 1) / 255).astype(np.float32))
    return out


def signal(seconds, seed, use):
    """(noisy frames [n, 576], truth [n] bool)"""
    rng = np.random.default_rng(seed)
    voices = [c for i, c in enumerate(clips()) if i % 2 == use]
    parts, length = [], 0
    while length < seconds * RATE:
        pause = np.zeros(int(rng.uniform(0.6, 2.5) * RATE), np.float32)
        parts += [pause, voices[int(rng.integers(len(voices)))] * rng.uniform(0.4, 1.0)]
        length += len(parts[-1]) + len(pause)
    clean = np.concatenate(parts)[:int(seconds * RATE)]
    clean = clean[:len(clean) // FRAME * FRAME]
    level = np.sqrt((clean.reshape(-1, FRAME) ** 2).mean(1))
    truth = level > 0.01
    white = rng.normal(0, 1, len(clean)).astype(np.float32)
    noise = np.convolve(white, np.exp(-np.arange(12) / 3.0), "same")
    noise += 0.7 * np.sin(2 * np.pi * 100 * np.arange(len(clean)) / RATE)
    noise += 20 * (rng.random(len(clean)) < 2e-4)
    noise /= np.sqrt((noise ** 2).mean())
    third = np.repeat([15.0, 3.0, -3.0], -(-len(clean) // 3))[:len(clean)]
    mixed = clean + noise * np.sqrt((level[truth] ** 2).mean()) * 10 ** (-third / 20)
    mixed = (mixed / np.abs(mixed).max() * 0.9).astype(np.float32)
    padded = np.r_[np.zeros(64, np.float32), mixed]
    frames = np.stack([padded[i * FRAME:i * FRAME + FRAME + 64] for i in range(len(truth))])
    return frames, truth


def probabilities(run, frames):
    names = {i.name for i in run.session.get_inputs()} if hasattr(run, "session") else {"h"}
    if "h" in names:
        zero = np.zeros((1, 1, 128), np.float32)
        return np.asarray(run({"input": frames, "h": zero, "c": zero})[0]).reshape(-1)
    state, out = np.zeros((2, 1, 128), np.float32), []
    for f in frames:
        p, state = run({"input": f[None], "state": state, "sr": np.array(RATE, np.int64)})[:2]
        out.append(float(np.asarray(p).reshape(-1)[0]))
    return np.array(out)


def auc(p, truth):
    from_ranks = np.argsort(np.argsort(p, kind="stable"), kind="stable") + 1.0
    n1, n0 = truth.sum(), (~truth).sum()
    return float((from_ranks[truth].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def score(run, cache, limit=None):
    frames, truth = signal(limit or 90, 41, 0)
    return auc(probabilities(run, frames), truth)


def calibration(cache, n):
    zero = np.zeros((1, 1, 128), np.float32)
    return [{"input": signal(10, 100 + i, 1)[0], "h": zero, "c": zero} for i in range(n)]


if __name__ == "__main__":
    common.cli()
