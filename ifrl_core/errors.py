"""One error type per boundary that can fail, so that callers and retries can tell them apart by type.

Every message says what went wrong, where (file, record, field) and what to do about it.
"""

from ifrl_core.text.masking import masked


class IfrlError(Exception):
    """Base of every error that a user of ifrl can cause or has to act on. URLs in it are masked."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(masked(item) if isinstance(item, str) else item for item in arguments))


class ConfigError(IfrlError):
    """A recipe, an override or a command-line value is not usable; nothing has been computed."""


class InputError(IfrlError):
    """Data that the user named (seeds, prompts, responses) cannot be used as a whole."""


class ArtifactError(IfrlError):
    """The artifact store cannot be written, or holds something other than its manifest says."""


class ChangedError(ArtifactError):
    """A file was written to while it was copied into the store: what is there is none of its states."""


class StoreOutageError(ArtifactError):
    """The artifact store did not answer, or refused, also after its own retries; what it holds is not in doubt."""


class ModelError(IfrlError):
    """A model URI names nothing that can be loaded."""


class InferenceError(IfrlError):
    """A server that answers for a model refused a request, or none of the servers answers."""


class ConstraintError(IfrlError):
    """A constraint type is unknown or its arguments are outside the type's schema."""


class TrainingError(IfrlError):
    """A training process ended without the model it was started for."""


class StoppedError(TrainingError):
    """Training was asked to stop (SIGTERM, cancel) and did so after a checkpoint; the same command goes on from there."""


class CollapseError(TrainingError):
    """Training cannot go on to any good: a loss that is no number, or a policy whose answers have collapsed."""


class HackError(IfrlError):
    """More answers of a training step than allowed please the checker instead of the reader."""


class PlacementError(IfrlError):
    """A stage that was placed on another work pool did not complete there, or left its artifact elsewhere."""


class UnscoredError(IfrlError):
    """More verdicts, probabilities or rewards than allowed could not be made (None is not zero)."""


class TrackingError(IfrlError):
    """MLflow did not answer where there is no way on without it, or its registry holds something else than is needed."""
