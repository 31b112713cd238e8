"""Open dimensions of a program: their sizes from the shapes of the inputs."""
import re

from ._errors import Error

TOKEN = re.compile(r"\s*(?:(\d+)|'([^']*)'|([^\W\d][\w.]*)|([-+*(),]))")
FUNCTIONS = {"floordiv": lambda a, b: a // b, "ceildiv": lambda a, b: -(-a // b), "mod": lambda a, b: a % b, "min": min, "max": max}


class _Expression:
    """A size as the manifest writes it: "past+seq", "2*n-1", "floordiv(seq,4)"."""

    def __init__(self, text):
        self.names, self._tokens = [], TOKEN.findall(text)
        self.value = self._sum()                     # a function of {name: size}

    def _take(self, *symbols):
        return self._tokens and self._tokens[0][3] in symbols and self._tokens.pop(0)[3]

    def _sum(self):
        terms = [(-1 if self._take("-") else 1, self._product())]
        while sign := self._take("+", "-"):
            terms.append((-1 if sign == "-" else 1, self._product()))
        return lambda known: sum(sign * term(known) for sign, term in terms)

    def _product(self):
        a = self._factor()
        while self._take("*"):
            a = (lambda x, y: lambda known: x(known) * y(known))(a, self._factor())
        return a

    def _factor(self):
        if self._take("-"):
            inner = self._factor()
            return lambda known: -inner(known)
        if self._take("("):
            inner = self._sum()
            self._take(")")
            return inner
        number, quoted, name, _ = self._tokens.pop(0)
        if number:
            return lambda known: int(number)
        if name in FUNCTIONS and self._take("("):
            arguments = [self._sum()]
            while self._take(","):
                arguments.append(self._sum())
            self._take(")")
            return lambda known: FUNCTIONS[name](*(argument(known) for argument in arguments))
        self.names.append(quoted or name)
        return lambda known: known[quoted or name]


def _spelled(text, expression, known):
    """ = past+seq, with past = 3 and seq = 2"""
    values = [f"{name} = {known[name]}" for name in dict.fromkeys(expression.names) if name in known]
    return text + (f" with {' and '.join(values)}" if values and text not in known else "")


def solve(names, inputs, shapes, given=()):
    """Sizes of the dimensions `names` as a list.

    inputs: [(name, [text of a size or "" where it is fixed])], shapes: the shape of each array, or None. given: {name: size}. A
    dimension takes its size from where it stands alone, else from an expression whose other dimensions are known ("past+seq").
    Every other place has to agree.
    """
    known = dict(given)
    places = [(name, axis, text, _Expression(text), int(shape[axis])) for (name, texts), shape in zip(inputs, shapes) if shape is not None
              for axis, text in enumerate(texts) if text]
    for name, axis, text, expression, size in places:
        if expression.names == [text] and known.setdefault(text, size) != size:
            raise Error(f"dimension '{text}' is {known[text]}, but {size} at axis {axis} of input '{name}'")
    for _ in names:
        for name, axis, text, expression, size in places:
            unknown = {n for n in expression.names if n not in known}
            if len(unknown) != 1:
                continue
            at = lambda value: expression.value({**known, **dict.fromkeys(unknown, value)})
            step = at(1) - at(0)
            if step and (size - at(0)) % step == 0 and at((size - at(0)) // step) == size:
                known[unknown.pop()] = (size - at(0)) // step
    missing = [name for name in names if name not in known]
    if missing:
        raise Error(f"nothing tells the size of dimension '{missing[0]}': no input has it alone or together with known ones")
    for name, axis, text, expression, size in places:
        if (wanted := expression.value(known)) != size:
            raise Error(f"axis {axis} of input '{name}' is {size}; it has to be {wanted}, {_spelled(text, expression, known)}")
    return [known[name] for name in names]
