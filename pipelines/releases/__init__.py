"""Releases: bundles, signatures, promotion, approval, undo; who decides."""
