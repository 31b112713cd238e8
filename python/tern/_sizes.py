"""Open dimensions of a program: their sizes from the shapes of the inputs."""
import re

from ._errors import Error


def solve(names, inputs, shapes, given=()):
    """Sizes of the dimensions `names` as a list.

    inputs: [(name, [text of a size or "" where it is fixed])], shapes: the shape of each array, or None. given: {name: size}. A
    dimension takes its size from where it stands alone, else from a sum with known ones ("past+seq"). Other places are checked by
    the program itself.
    """
    known = dict(given)
    places = [(name, axis, text, int(shape[axis])) for (name, texts), shape in zip(inputs, shapes) if shape is not None
              for axis, text in enumerate(texts) if text]
    for name, axis, text, size in places:
        if text in names and known.setdefault(text, size) != size:
            raise Error(f"dimension '{text}' is {known[text]}, but {size} at axis {axis} of input '{name}'")
    for _ in names:
        for name, axis, text, size in places:
            terms = re.findall(r"([+-]?)([^+-]+)", text)
            unknown = [i for i, (_, term) in enumerate(terms) if term in names and term not in known]
            rest = [(sign, known.get(term, int(term) if term.isdigit() else None)) for i, (sign, term) in enumerate(terms) if i not in unknown]
            if len(unknown) == 1 and terms[unknown[0]][0] != "-" and all(value is not None for _, value in rest):
                known[terms[unknown[0]][1]] = size - sum(-value if sign == "-" else value for sign, value in rest)
    missing = [name for name in names if name not in known]
    if missing:
        raise Error(f"nothing tells the size of dimension '{missing[0]}': no input has it alone or in a sum with others")
    return [known[name] for name in names]
