"""The sizes of a split's parts beside their declared shares."""

from collections.abc import Mapping

TOLERANCE = 0.1  # of a part's declared size; samples that stay together make smaller deviations everywhere


def describe_deviation(sizes: Mapping[str, int], shares: Mapping[str, float]) -> str:
    """Says which parts have clearly more or fewer samples than their shares, and why.

    Args:
        sizes: Number of samples in each part.
        shares: Declared share of each part; fewer where files give the parts.

    Returns:
        A line, or nothing if every part is within a sample or a tenth of its declared size, or a file gives it.
    """
    if shares.keys() != sizes.keys():
        return ""
    total = sum(sizes.values())
    found = []
    for part, size in sizes.items():
        declared = shares[part] * total
        if abs(size - declared) > max(1, TOLERANCE * declared):
            found.append(f"{part} has {size} samples where its share is {declared:.0f}")
    reason = "samples with the same request and near-duplicates stay in one part, as groups"
    return f"The parts differ from their shares: {', '.join(found)}; {reason}." if found else ""
