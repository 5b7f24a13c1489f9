"""The stage `rollout`: whether a release that is tried out goes on."""
