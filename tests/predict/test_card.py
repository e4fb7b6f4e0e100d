"""The card says in plain words what a model is, how good, when not to trust it, how to load it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autospec.predict.card import card_name, model_card
from autospec.predict.document_text import document_digest
from autospec.predict.lab import LabRange
from tests.predict.made_bundles import bundle_of, tiny_bundle


@pytest.mark.parametrize(
    "words",
    [
        "**soc** in **g/kg**, from absorbance spectra at 6 bands, wavelength (nm) 400 to 450",
        "A line. Made by the Python interface on 2026-01-01",
        "It learned from 12 rows of made (12)",
        "| RMSE of PLSR | 1.5 g/kg | 1.2 to 1.8 | the same |",
        "| RMSE of the mean | 5 g/kg |  | the same |",
        "Counted on 20 rows: the 20 sealed rows. Intervals made to hold 90 % of lab values held "
        "85 % (95 % interval 64 to 95 %)",
        "They are made to hold about the level of new samples of the same kind. What is proven for "
        "CV+ is 1 − 2·(1 − level), 80 % for 90 %",
        "18 inside: RMSE 1.1 g/kg; 2 outside: RMSE 2.2 g/kg",
        "from 12 rows and 2 twins",
        "Levels up to 92.3 % can be asked for",
        "autospec predict farm.safetensors scans.csv -o predictions.csv",
        'autospec.load_model("farm.safetensors")',
        "12 lab values of rows that it learned from, and these rows' spectra in compressed form",
        "- made by the tests",
    ],
)
def test_the_card_says(words: str) -> None:
    bundle = replace(tiny_bundle(), model_kind="A line")
    assert words in model_card(bundle, "farm.safetensors")


def test_the_card_names_digest_data_and_versions() -> None:
    bundle = bundle_of("plsr")
    card = model_card(bundle)
    assert document_digest(bundle) in card and bundle.provenance.data_digest in card
    assert f"torch {bundle.provenance.packages['torch']}" in card.replace("\\", "")
    assert "- Made spectra know no soil." in card


def test_range_and_median_are_of_all_rows_not_of_the_calibration() -> None:
    lab = LabRange(lowest=1.5, median=20.25, highest=99.0)
    card = model_card(replace(tiny_bundle(), lab=lab))
    assert "Their lab values run from 1.5 to 99 g/kg, the median is 20.25." in card
    assert "Beyond lab values of 1.5 to 99 g/kg" in card


def test_no_row_is_called_unseen_without_a_word_from_who_made_the_model() -> None:
    card = model_card(replace(tiny_bundle(), trust_rows=""))
    assert "Counted on 20 rows. Intervals made to hold" in card and "never saw" not in card


def test_a_kernel_model_says_that_it_holds_spectra() -> None:
    words = "preprocessed spectra of some"
    assert words in model_card(bundle_of("auto")) and words not in model_card(bundle_of("plsr"))


def test_without_measurements_the_card_says_so() -> None:
    card = model_card(replace(tiny_bundle(), accuracy=(), trust=None))
    assert "Not measured. Predict samples that you have lab values of" in card


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a | b", "# head\n\n# two", "[x](y)"]
)
def test_words_of_a_file_are_no_markup(text: str) -> None:
    card = model_card(replace(tiny_bundle(), target_name=text, limits=(text,), trust_rows=text))
    assert text not in card and "\n# two" not in card
    assert card.count("\n# ") == 0 and card.startswith("# tiny\n")


def test_a_card_is_named_after_its_file() -> None:
    assert (card_name("model"), card_name("plsr")) == ("MODEL.md", "MODEL-plsr.md")
