"""Constructors and docstrings that are made from the declared parameters of a detector."""

import inspect
from typing import ClassVar

import pytest
from engine_common import Tug
from sklearn.base import clone

from skgad.base import BaseDetector
from skgad.engine.parameters import ATTRIBUTES


class Plain(BaseDetector):
    """Detector without marks in its docstring."""

    game_class = Tug

    strength: float = 0.5
    exponent: int = 2


class Documented(BaseDetector):
    """Detector with both marks.

    Parameters
    ----------
    strength : float, default=0.5
        How strong it is.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}
    """

    game_class = Tug
    auto_threshold: ClassVar[str] = "is a threshold of its own"

    strength: float = 0.5
    lr: float = 0.25
    auto_steps: int = 12345


def names(cls):
    return list(inspect.signature(cls).parameters)


SHARED = names(BaseDetector)


def test_own_parameters_come_first_in_the_order_of_their_declaration():
    assert names(Plain) == ["strength", "exponent", *SHARED]
    assert "encoding" == SHARED[0]


def test_a_new_default_does_not_move_a_parameter():
    assert names(Documented) == ["strength", *SHARED]
    assert inspect.signature(Documented).parameters["lr"].default == 0.25
    assert inspect.signature(Plain).parameters["lr"].default == 1e-3


def test_parameters_of_each_class_come_before_those_of_its_bases():
    class Derived(Plain):
        depth: int = 3

    assert names(Derived) == ["depth", "strength", "exponent", *SHARED]
    params = Derived(depth=4, strength=1.0).get_params()
    assert [params[name] for name in ("depth", "strength", "exponent")] == [4, 1.0, 2]


def test_the_constructor_accepts_keywords_only_and_stores_them():
    detector = Plain(strength=0.75)
    assert (detector.strength, detector.exponent) == (0.75, 2)
    assert not [name for name in vars(detector) if name not in names(Plain)]
    with pytest.raises(TypeError, match="positional argument"):
        Plain(0.75)
    with pytest.raises(TypeError, match="unexpected keyword argument 'power'"):
        Plain(power=0.75)


def test_scikit_learn_finds_the_parameters():
    detector = Plain(exponent=3)
    assert set(detector.get_params()) == set(names(Plain))
    assert repr(detector) == "Plain(exponent=3)"
    assert clone(detector.set_params(strength=2.0)).strength == 2.0
    assert detector.game_params() == {"strength": 2.0, "exponent": 3}


def test_class_variables_and_fitted_attributes_are_not_parameters():
    assert not {"auto_threshold", "adam_params", "net_", "offset_"} & set(names(Documented))


def test_detectors_are_compared_and_hashed_by_identity():
    one, other = Plain(), Plain()
    assert one != other
    assert len({one, other}) == 2


def test_marks_in_the_docstring_are_replaced():
    doc = inspect.getdoc(Documented)
    literals = (
        '{"auto", "standard", "piecewise", "piecewise+frequency"}',
        '{"linear", "step", "constant"}',
        '{"optimizer": torch.optim.RMSprop, "optimizer__weight_decay": 1e-5}',
    )
    for literal in literals:
        doc = doc.replace(literal, "")
    assert "{" not in doc
    doc = inspect.getdoc(Documented)
    assert inspect.cleandoc(ATTRIBUTES) in doc
    assert doc.index("How strong it is.") < doc.index("networks : object") < doc.index("Attributes")


def test_the_docstring_has_the_defaults_and_texts_of_the_class():
    doc = " ".join(inspect.getdoc(Documented).split())
    assert "lr : float, default=0.25" in doc
    assert "auto_steps : int, default=12345" in doc
    assert '"auto" is a threshold of its own.' in doc
    assert all(f"`{name}`" in doc for players in Tug.players.values() for name in players)


def test_every_line_of_the_docstring_is_indented_alike():
    lines = Documented.__doc__.split("\n")
    assert all(line.startswith("    ") for line in lines[1:] if line)
    assert lines[-1] == "    "


def test_a_docstring_without_marks_is_kept():
    assert Plain.__doc__ == "Detector without marks in its docstring."


@pytest.mark.parametrize("mark", ["{shared_parameters}", "{shared_attributes}"])
def test_a_docstring_can_have_one_mark_only(mark):
    doc = f"Detector.\n\n    {mark}\n    "
    doc = type("OneMark", (BaseDetector,), {"game_class": Tug, "__doc__": doc}).__doc__
    assert ("networks : object" in doc) == (mark == "{shared_parameters}")
    assert ("net_ : skorch" in doc) == (mark == "{shared_attributes}")


def test_a_class_without_a_docstring_is_accepted():
    class Undocumented(BaseDetector):
        game_class = Tug

        depth: int = 3

    assert names(Undocumented)[0] == "depth"
