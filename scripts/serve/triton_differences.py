"""What differs from Triton on purpose, each with its reason: docs/serving.md, "Beside Triton"."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import triton_compare


@dataclass
class Case:
    """A request, how it was made, and what came of it: `what` differs, or nothing."""

    number: int
    made: object
    said: str
    path: str
    own: object
    their: object
    what: str | None

    def was(self, their, own):
        """Whether both answered with these statuses; below 10 they are classes."""
        return all(answer.status == of or answer.kind == of for answer, of in ((self.their, their), (self.own, own)))

    def says(self, word):
        return word in self.own.words()

    def any(self, *kinds):
        return any(kind in self.made.kinds for kind in kinds)


@dataclass
class Difference:
    name: str
    reason: str
    when: Callable

    def holds(self, case):
        return bool(self.when(case))


def sent_bytes(tensor):
    odd = tensor.odd.get("data")
    return tensor.as_bytes() if odd is None else triton_compare.bits(tensor.datatype, triton_compare.flat(odd))


def ours_is_what_was_sent(case):
    """Whether our answer holds the very bits of the request: the model gives its inputs back."""
    _, found = triton_compare.tensors(case.own)
    sent = {tensor.name.replace("in", "out"): sent_bytes(tensor) for tensor in case.made.tensors}
    return all(content == sent[name] for name, (*_, content) in found.items())


def refused_there(case):
    return case.their.kind in (4, 5) and case.own.kind == 2


def odd_members(case):
    """What a request says otherwise than it should."""
    return [tensor.odd for tensor in case.made.tensors], case.made.members, case.made.outputs or []


def single_value(case):
    return any("data" in tensor.odd and not isinstance(tensor.odd["data"], list) for tensor in case.made.tensors)


def words(answer, *texts):
    return any(text in answer.words() for text in texts)


def booleans(case):
    """Whether our answer is 1 where the other server's is anything but 0."""
    (_, own), (_, their) = triton_compare.tensors(case.own), triton_compare.tensors(case.their)
    return all(content == bytes(map(bool, their[name][3])) for name, (*_, content) in own.items())


UNSERVED = ("/trace/setting", "/logging", "sharedmemory/status", "/TraceSetting", "/LogSettings", "/SystemSharedMemoryStatus")

ALL = [
    Difference(
        "a body that is no JSON, or values that do not fit: 500 there, 400 here",
        "the sender's fault is no failure of the server: it must not count against a version",
        lambda case: case.was(500, 400),
    ),
    Difference(
        "the server ends, or cuts the connection: 400 here",
        "faults of that Triton: huge dimensions, classification",
        lambda case: case.was(0, 4),
    ),
    Difference("a coding of bodies that is not known: 501 there, 415 here", "what HTTP has for it", lambda case: case.was(501, 415)),
    Difference(
        "texts that are not UTF-8, by their bytes or by half of a pair in JSON: 400 here",
        "models take only such",
        lambda case: case.was(2, 400) and words(case.own, "UTF-8", "unicode code point", "surrogate"),
    ),
    Difference(
        "numbers beyond their datatype: cut to its bits or infinite there, 400 here",
        "an answer to another question is worse than none",
        lambda case: case.was(2, 400) and re.search(r" at index \d+ is not (U?INT|BOOL|FP)", case.own.words()),
    ),
    Difference(
        "values nested otherwise than the shape: taken in their order there, 400 here",
        "the shape or the values are wrong, and which cannot be told",
        lambda case: case.was(2, 400) and words(case.own, "at depth", "nests deeper", "nests less deep", "mixes values"),
    ),
    Difference(
        "the length of the JSON that is no number, or beyond 32 bits: read as far as it goes, cut to its bits there, 400 here",
        "tensors would begin elsewhere",
        lambda case: case.was(2, 400) and words(case.own, "unable to parse Inference-Header-Content-Length", "got: 4294967296"),
    ),
    Difference(
        "`parameters` that are no object: passed over there, 400 here",
        "what stands there would be lost",
        lambda case: case.was(2, 400) and words(case.own, "expected an object"),
    ),
    Difference(
        "`data` that is a single value, for a shape of one: 500 there, taken here; an object in place of no values: passed over there, 400 here",
        "the value is what it says",
        lambda case: (case.was(500, 2) and single_value(case)) or (case.was(2, 400) and words(case.own, "invalid type: map")),
    ),
    Difference(
        "values for a shape of none: passed over there, 400 here",
        "the shape or the values are wrong, and which cannot be told",
        lambda case: case.was(2, 400) and words(case.own, "is 0 values, got more"),
    ),
    Difference(
        "null in place of a member that may be left out: 400 or 500 there, left out here",
        "many writers of JSON spell it so",
        lambda case: refused_there(case) and "None" in repr(odd_members(case)),
    ),
    Difference(
        "a body without JSON where the length of bytes tells no shape, and a text of a model that takes several: 400 there; here the first dimension is 1, and it is one text",
        "as the extension is written: a batch of one",
        lambda case: case.was(400, 2) and words(case.their, "For BYTE datatype raw input", "can not be deduced"),
    ),
    Difference(
        "bytes of BOOL other than 0 and 1: handed on there, 1 here",
        "true is one value",
        lambda case: case.what == "values of BOOL as bytes differ" and booleans(case),
    ),
    Difference("an empty body: no values there, 400 here", "it is no JSON", lambda case: case.was(2, 400) and words(case.own, "line 1 column 0")),
    Difference(
        "a packed body that breaks off or has more behind it: what there is of it there, 400 here",
        "nobody knows what is missing",
        lambda case: case.was(2, 400) and words(case.own, "the body is no "),
    ),
    Difference(
        "a load with configuration or files, and an unload: carried out there, 400 and 409 here",
        "releases decide what is served",
        lambda case: case.any("repository") and (case.was(2, 400) or case.was(2, 409)),
    ),
    Difference(
        "load of what is not in the repository: 500 there, 404 here",
        "the caller asks for what is not there",
        lambda case: case.path.endswith("/nope/load") and case.was(500, 404),
    ),
    Difference("texts with a zero byte: 400 here", "ONNX Runtime would cut them", lambda case: case.was(2, 400) and case.says("zero byte")),
    Difference("classification of outputs: 400 here", "not served", lambda case: case.was(2, 400) and case.says("`classification`")),
    Difference("an output asked for twice: 400 here", "one of them would be lost", lambda case: case.was(2, 400) and case.says("asked for twice")),
    Difference(
        "parameters that are not known, of any kind: passed over here",
        "answers depend on nothing but the request",
        lambda case: case.any("odd_parameters", "gRPC_odd_parameters", "gRPC_output_parameters") and refused_there(case),
    ),
    Difference(
        "`binary_data_output` and an output that is asked for by name alone: JSON there, bytes here",
        "as the extension is written",
        lambda case: case.what == "an output comes as JSON there, as bytes here" and (case.made.parameters or {}).get("binary_data_output") is True,
    ),
    Difference(
        "FP64 from JSON: there now and then the number beside the nearest, here the nearest",
        "values are not changed on their way",
        lambda case: (case.what or "").startswith("values of FP64") and ours_is_what_was_sent(case),
    ),
    Difference("a slash at the end of a path: 404 there, passed over here", "the protocol's own file has `/v2/`", lambda case: case.path.endswith("/") and case.was(404, 2)),
    Difference("shared memory, traces, log settings: 404 here", "not served", lambda case: case.path.endswith(UNSERVED) and case.own.status == 404),
    Difference(
        "more raw contents than inputs in a message: the first are taken there, 400 here",
        "one of them would be lost",
        lambda case: case.was(2, 400) and words(case.own, "expected raw_input_contents for all"),
    ),
    Difference(
        "`ModelReady`, `ModelStatistics` with a version that is no number: 400 there, answered here; `ModelReady` without a name: not ready there, 404 here",
        "versions are texts, and no model has no name",
        lambda case: case.path in ("/ModelReady", "/ModelStatistics") and (case.was(400, 2) or case.was(2, 404)),
    ),
    Difference("version `01` is 1 there, unknown here", "versions are texts", lambda case: case.own.status == 404 and words(case.own, " version 01 is not found")),
]
# Seen in answers of the same class.
NOTES = [
    Difference("`ready` of what is not there: 400 there, 404 here", "", lambda case: case.path.endswith("/ready") and case.was(400, 404)),
]
