"""Paths that are drawn as parameters are relative to a temporary folder."""

import os

import pytest


@pytest.fixture(scope="module", autouse=True)
def temporary_folder(tmp_path_factory):
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    yield
    os.chdir(before)
