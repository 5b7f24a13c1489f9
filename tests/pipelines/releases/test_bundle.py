"""Bundles: whole or absent, and refused before anything is parsed when they are not what was
released.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.fraud import BASELINE
from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.releases.bundle import (
    FILES,
    MANIFEST,
    MODEL,
    RECORD,
    REFERENCE,
    SIGNATURE,
    UNSIGNED_FILES,
    Bundle,
    BundleError,
    load_bundle,
    releases_folder,
    sha256,
    write_bundle,
)
from pipelines.releases.signing import fingerprint, keys_folder, sign
from tests.pipelines.releases.boosters import make_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path, BASELINE)


@pytest.fixture
def place(bundle: Bundle, tmp_path: Path) -> Path:
    return releases_folder(tmp_path) / bundle.release_id


def test_a_bundle_comes_back_as_it_was_written(bundle: Bundle, tmp_path: Path) -> None:
    loaded = load_bundle(
        releases_folder(tmp_path), bundle.release_id, manifest_digest=bundle.manifest_digest
    )
    assert loaded == bundle
    assert loaded.record.threshold == 0.25
    assert list(loaded.reference().columns) == [*BASELINE.names, "score"]
    assert len(loaded.reference()) == 50


def test_it_holds_exactly_five_files_and_no_scratch_is_left(bundle: Bundle, place: Path) -> None:
    assert {path.name for path in place.iterdir()} == FILES
    assert [path.name for path in place.parent.iterdir()] == [bundle.release_id]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _link_elsewhere(path: Path) -> None:
    copy = path.parent.parent / f"copy-of-{path.name}"
    path.rename(copy)
    path.symlink_to(copy)


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _sign_by_another_key(place: Path) -> None:
    manifest = (place / MANIFEST).read_bytes()
    (place / SIGNATURE).write_bytes(sign(place.parent.parent / "another home", manifest)[0])


def _forge(place: Path) -> None:
    """What somebody can do who may write the folder and the ledger, and has no key: all digests
    fit.
    """
    manifest = json.loads((place / MANIFEST).read_text())
    manifest["files"][MODEL] = sha256((place / MODEL).read_bytes())
    (place / MANIFEST).write_text(json.dumps(manifest))


TAMPERINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "model flipped": (lambda place: _flip(place / MODEL), "changed: model.ubj"),
    "record flipped": (lambda place: _flip(place / RECORD), "changed: release.json"),
    "reference flipped": (lambda place: _flip(place / REFERENCE), "changed: reference.parquet"),
    "manifest flipped": (lambda place: _flip(place / MANIFEST), "not of this manifest"),
    "manifest is no JSON": (
        lambda place: (place / MANIFEST).write_bytes(b"\x00"),
        "not of this manifest",
    ),
    "manifest is a list": (
        lambda place: (place / MANIFEST).write_text("[]"),
        "not of this manifest",
    ),
    "file added": (lambda place: (place / "notes.txt").write_text("hello"), "added: 'notes.txt'"),
    "pickle added": (
        lambda place: (place / "model.pkl").write_bytes(pickle.dumps([1])),
        "added: 'model.pkl'",
    ),
    "folder added": (lambda place: (place / "more").mkdir(), "added: 'more'"),
    "file removed": (lambda place: (place / REFERENCE).unlink(), "missing: reference.parquet"),
    "model is a symlink": (
        lambda place: _link_elsewhere(place / MODEL),
        "/model.ubj: Too many levels of",
    ),
    "model is a folder": (lambda place: _as_folder(place / MODEL), "/model.ubj: something else"),
    "model is a pipe": (lambda place: _as_pipe(place / MODEL), "/model.ubj: something else"),
    "folder is a symlink": (_link_elsewhere, "a symlink"),
    "signature flipped": (lambda place: _flip(place / SIGNATURE), "not of this manifest"),
    "unsigned": (lambda place: (place / SIGNATURE).unlink(), "missing: manifest.sig"),
    "signed by another key": (lambda place: _sign_by_another_key(place), "by no trusted key"),
    "cut to nothing": (lambda place: (place / MODEL).write_bytes(b""), "changed: model.ubj"),
}


@pytest.mark.guarantee(
    "tampered model",
    fault="flipped, cut, added, removed, symlinks, a pipe, another key, unsigned",
    seen="refused by name",
)
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_tampered_bundle_is_refused(tampering: str, bundle: Bundle, place: Path) -> None:
    tamper, case = TAMPERINGS[tampering]
    tamper(place)
    with pytest.raises(BundleError, match="refused") as caught:
        load_bundle(place.parent, bundle.release_id)
    assert case in f"{caught.value.where}: {caught.value.found}", (
        "what is expected names every file"
    )


@pytest.mark.guarantee(
    "tampered model",
    fault="the model and its manifest are changed together",
    seen="the ledger's digest tells",
)
def test_files_changed_with_their_manifest_are_found_by_the_ledgers_digest(
    bundle: Bundle, place: Path
) -> None:
    _flip(place / MODEL)
    manifest = json.loads((place / MANIFEST).read_text())
    manifest["files"][MODEL] = sha256((place / MODEL).read_bytes())
    (place / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="ledger"):
        load_bundle(place.parent, bundle.release_id, manifest_digest=bundle.manifest_digest)


@pytest.mark.guarantee(
    "tampered model",
    fault="model, manifest and ledger are changed together",
    seen="the signature tells",
)
def test_files_changed_with_manifest_and_ledger_are_found_by_the_signature(
    bundle: Bundle, place: Path
) -> None:
    _flip(place / MODEL)
    _forge(place)
    forged = sha256((place / MANIFEST).read_bytes())
    with pytest.raises(BundleError, match="not of this manifest"):
        load_bundle(place.parent, bundle.release_id, manifest_digest=forged)


@pytest.mark.guarantee(
    "tampered model",
    fault="a flipped manifest, with a parser that would tell",
    seen="refused before anything was parsed",
)
def test_nothing_of_a_bundle_is_parsed_before_it_is_refused(
    bundle: Bundle, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _flip(place / MANIFEST)

    def parsed(*_: object, **__: object) -> object:
        raise AssertionError("something was parsed")

    monkeypatch.setattr(json, "loads", parsed)
    with pytest.raises(BundleError, match="refused"):
        load_bundle(place.parent, bundle.release_id)


def test_a_bundle_from_before_signatures_is_vouched_for_by_the_ledger_alone(
    bundle: Bundle, place: Path
) -> None:
    (place / SIGNATURE).unlink()
    assert {path.name for path in place.iterdir()} == UNSIGNED_FILES
    loaded = load_bundle(
        place.parent, bundle.release_id, manifest_digest=bundle.manifest_digest, signed_by=None
    )
    assert (loaded.model, loaded.signed_by) == (bundle.model, None)
    for changed_fields in (
        {"signed_by": None},
        {"manifest_digest": bundle.manifest_digest, "signed_by": bundle.signed_by},
    ):
        with pytest.raises(BundleError, match=r"missing: manifest\.sig"):
            load_bundle(place.parent, bundle.release_id, **changed_fields)  # type: ignore[arg-type]


def test_the_key_is_made_once_and_is_nobody_elses(bundle: Bundle, tmp_path: Path) -> None:
    folder = keys_folder(tmp_path)
    assert (folder / "signing.pem").stat().st_mode & 0o077 == 0
    assert [path.stem for path in (folder / "trusted").iterdir()] == [bundle.signed_by]
    assert sign(tmp_path, b"x")[1] == bundle.signed_by
    assert (
        fingerprint((folder / "trusted" / f"{bundle.signed_by}.pub").read_bytes())
        == bundle.signed_by
    )


def test_a_key_of_ones_own_signs(tmp_path: Path) -> None:
    _, made = sign(tmp_path / "vault", b"x")
    key = keys_folder(tmp_path / "vault") / "signing.pem"
    assert sign(tmp_path / "home", b"x", key)[1] == made
    assert not (keys_folder(tmp_path / "home") / "signing.pem").exists()
    key.write_text("no key")
    with pytest.raises(ConfigurationError, match="signing key cannot be used"):
        sign(tmp_path / "home", b"x", key)


class Trap:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trace,))


@pytest.mark.guarantee(
    "pickle",
    fault="a signed bundle whose model is a pickle with a trap",
    seen="refused, the trap was not sprung",
)
def test_a_pickle_in_the_models_place_is_never_loaded(
    bundle: Bundle, place: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "unpickled"
    (place / MODEL).write_bytes(pickle.dumps(Trap(trace)))
    _forge(place)
    (place / SIGNATURE).write_bytes(sign(tmp_path, (place / MANIFEST).read_bytes())[0])
    with pytest.raises(BundleError, match="UBJ"):
        load_bundle(place.parent, bundle.release_id)
    assert not trace.exists()


@pytest.mark.guarantee(
    "path tricks", fault="any text as a release id (hypothesis)", seen="no release id, refused"
)
@given(
    st.one_of(
        st.text(),
        st.sampled_from(["../x", "/etc", "fraud-20261109-0123abcd/..", "fraud-20261109-0123ABCD"]),
    )
)
def test_only_a_release_id_finds_a_bundle(text: str) -> None:
    with pytest.raises(BundleError, match="not a release id"):
        load_bundle(Path("/"), text)


def test_an_absent_bundle_is_named(bundle: Bundle, place: Path) -> None:
    with pytest.raises(BundleError, match="nothing") as caught:
        load_bundle(place.parent, "fraud-20261109-ffffffff")
    assert caught.value.where == str(place.parent / "fraud-20261109-ffffffff")


def test_writing_the_same_model_again_keeps_the_first_bundle(
    bundle: Bundle, tmp_path: Path
) -> None:
    again = make_bundle(tmp_path, BASELINE, code_version="another")
    assert again == bundle


def test_another_model_never_takes_a_releases_place(bundle: Bundle, place: Path) -> None:
    with pytest.raises(BundleError) as caught:
        write_bundle(
            place.parent,
            bundle.release_id,
            model=b"{other",
            record=bundle.record,
            reference=bundle.reference(),
        )
    assert caught.value.expected == f"model {sha256(b'{other')}"
    assert caught.value.found == f"model {bundle.model_digest}"
    assert load_bundle(place.parent, bundle.release_id) == bundle


def test_a_disk_that_does_not_take_it_leaves_nothing(tmp_path: Path) -> None:
    releases_folder(tmp_path).write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="could not be written"):
        make_bundle(tmp_path, BASELINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", "releases"]
