#include "lib/Export/Patch.h"
#include "lib/Export/Wire.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace tern::exporter {

void Patch::replace(ArrayRef<Span64> around, uint64_t begin, uint64_t end, std::vector<Piece> pieces) {
  Message *message = &root;
  for (const Span64 &place : around) {
    message = &message->inner[place.begin];
    message->place = place;
  }
  message->edits.push_back({begin, end, std::move(pieces)});
}

static uint64_t tagBytes(StringRef file, uint64_t begin) {
  uint64_t end = begin;
  while (file[end++] & 0x80) {
  }
  return end - begin;
}

/// The length of the contents after the changes, here and in all inner messages.
uint64_t Patch::measure(const Message &message, uint64_t length) const {
  for (const Edit &edit : message.edits) {
    length -= edit.end - edit.begin;
    for (const Piece &piece : edit.pieces)
      length += piece.size();
  }
  for (const auto &entry : message.inner) {
    const Span64 &place = entry.second.place;
    uint64_t now = measure(entry.second, place.end - place.contents);
    length += tagBytes(file, place.begin) + varintBytes(now) + now - (place.end - place.begin);
  }
  return message.newLength = length;
}

uint64_t Patch::size() const { return measure(root, file.size()); }

void Patch::write(const Message &message, uint64_t begin, uint64_t end,
                  const std::function<void(StringRef)> &sink) const {
  // Changes and inner messages in the order of the file; at one place, inserts come first and in the order of calls.
  struct Event {
    uint64_t at;
    bool moves; // it takes bytes of the file away
    size_t call;
    const Edit *edit;
    const Message *inner;
  };
  std::vector<Event> events;
  for (const Edit &edit : message.edits)
    events.push_back({edit.begin, edit.end > edit.begin, events.size(), &edit, nullptr});
  for (const auto &[at, inner] : message.inner)
    events.push_back({at, true, events.size(), nullptr, &inner});
  llvm::sort(events, [](const Event &a, const Event &b) {
    return std::tuple(a.at, a.moves, a.call) < std::tuple(b.at, b.moves, b.call);
  });
  uint64_t at = begin;
  for (const Event &event : events) {
    sink(file.slice(at, event.at));
    at = event.at;
    if (event.edit) {
      for (const Piece &piece : event.edit->pieces) {
        sink(piece.text);
        sink(piece.data);
      }
      at = event.edit->end;
      continue;
    }
    const Span64 &place = event.inner->place;
    std::string head;
    head.append(file.data() + place.begin, tagBytes(file, place.begin));
    FieldWriter(head).varint(event.inner->newLength);
    sink(head);
    write(*event.inner, place.contents, place.end, sink);
    at = place.end;
  }
  sink(file.slice(at, end));
}

void Patch::write(const std::function<void(StringRef)> &sink) const {
  measure(root, file.size());
  write(root, 0, file.size(), [&](StringRef part) {
    if (!part.empty())
      sink(part);
  });
}

} // namespace tern::exporter
