"""A local store of Feast in a folder, over one of its ways to read files; for whatever is held against it."""

from feast import FeatureStore, RepoConfig


def opened(folder, offline):
    return FeatureStore(
        config=RepoConfig(
            project="beside",
            provider="local",
            registry=str(folder / f"registry-{offline}.db"),
            offline_store={"type": offline},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
        )
    )
