"""The buckets that the settings name, made where they are missing: for an object store that begins
empty.
"""

from __future__ import annotations

from pipelines.base.settings import Settings, is_remote
from pipelines.object_store.s3 import S3Storage
from pipelines.object_store.storage import open_storage


def make_buckets(settings: Settings) -> list[str]:
    """Make the missing buckets of landing zone, lake and MLflow's artefacts; their names.

    Raises `StoreError` where the store does not answer, `ConfigurationError` where it does not let
    us.
    """
    places = [settings.landing, settings.lake, settings.mlflow_artifacts]
    stores = {
        store.bucket: store
        for store in (open_storage(settings, place) for place in places if is_remote(place))
        if isinstance(store, S3Storage)
    }
    return [name for name, store in stores.items() if store.make_bucket()]
