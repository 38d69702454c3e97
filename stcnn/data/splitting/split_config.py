"""Settings of a split: the unit that is held out, the shares, and the folds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from stcnn.validation import Config

SplitKind = Literal["stimulus_x_neuron", "stimulus", "family", "neuron", "animal", "session", "repeat"]


class OneSplit(Config):
    """Split of a single set: what is held out, how much of it, and the seed of the choice."""

    kind: SplitKind = "stimulus_x_neuron"
    """Unit held out: single (stimulus, neuron) pairs, or whole stimuli, families of stimuli, neurons, animals or
    sessions. ``repeat`` holds out single trials, whose movie and neuron are then trained on: it measures the fit to
    the noise of a trial, and nothing of generalisation."""
    validation: float = Field(default=0.15, ge=0, lt=1)
    """Share of the recordings of each cell type that chooses between epochs and settings."""
    test: float = Field(default=0.15, ge=0, lt=1)
    """Share that is only looked at in the end."""
    seed: int = Field(default=0, ge=0)
    """Seed of the choice."""
    folds: int | None = Field(default=None, ge=2, le=1000)
    """Cross-validation: what is not the test set is divided into so many parts, and ``fold`` says which of them is the
    validation set; ``validation`` is then not looked at. The test set is the same in all folds."""
    fold: int | None = Field(default=None, ge=0)
    """Which of the ``folds`` is the validation set, from 0."""
    shifted_movies: Literal["together", "apart"] = "together"
    """Whether movies that differ only by a whole-pixel shift count as one stimulus. ``apart`` suits a set whose
    stimulus parameter is the position itself, such as flashed stripes or a receptive-field map."""
    test_families: tuple[str, ...] = ()
    """Families that are the test set, wholly and with every neuron; ``kind``, ``validation`` and ``test`` then split
    the rest, ``test`` usually with 0. So a kind of stimulus is held out that nothing was chosen by."""
    families: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For ``family`` and ``test_families``: name of a family to patterns of stimulus names, such as
    ``loom: [vstim_32?]``. A stimulus that no pattern fits belongs to the family of its generator, or where there was
    none to its own."""

    @model_validator(mode="after")
    def _has_its_fold(self) -> Self:
        if (self.folds is None) != (self.fold is None):
            given, missing = ("fold", "folds") if self.folds is None else ("folds", "fold")
            raise ValueError(f"{given} is given without {missing}: give both, or neither")
        if self.folds is not None and self.fold is not None and self.fold >= self.folds:
            raise ValueError(f"there is no fold {self.fold} of {self.folds}: they are counted from 0")
        return self


class SplitConfig(OneSplit):
    """Split: what is held out, how much of it, and the seed of the choice; of pooled data set by set."""

    by_set: dict[str, OneSplit] = Field(default_factory=dict)
    """Of pooled data: name of a set to the split of its own, whose families name its movies as they are called there,
    ``SET_MOVIE``. A set that is not named is split by the other keys."""
