"""Arguments of the commands."""

import pytest
from cli_common import DETECT, assert_rejected, payments_folder

folder = pytest.fixture(payments_folder)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: command"),
        (["guess"], "invalid choice: 'guess'"),
        ([*DETECT, "--detector", "HAL"], r"invalid choice: 'HAL' \(choose from '?ALAD"),
        ([*DETECT, "--set", "max_epochs"], "--set: expected NAME=VALUE, got 'max_epochs'"),
        ([*DETECT, "--sep", "ab"], "--sep: expected a single .* character, got 'ab'"),
        ([*DETECT, "--decimal", ""], "--decimal: expected a single .* character, got ''"),
        ([*DETECT, "--max-explained", "0"], "expected a positive integer, got '0'"),
    ],
)
def test_invalid_arguments_are_rejected(folder, capsys, argv, message):
    assert_rejected(capsys, argv, message)
