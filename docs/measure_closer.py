"""Print how often `repscape.closer` errs where A is exactly as close to B as to C.

A is normal in five dimensions, B and C are A with independent noise of the same size, so that no
test at 5 % should find B closer in more than 5 % of draws. Two tests are counted: the paired
jackknife (`p_value`), and the comparison with the same permutations of A for both (`p_chance`),
whose null is that A has nothing to do with either. Run: python docs/measure_closer.py
"""

from __future__ import annotations

import numpy as np
import torch

from repscape.significance.questions import closer

DRAWS = 500


def main() -> None:
    """Simulate and print."""
    torch.set_num_threads(1)
    print(f"{'measure':18} {'n':>4} {'noise':>6} {'jackknife':>10} {'permutations':>13}")
    for measure in ("cka", "rsa", "mutual_knn[k=5]", "procrustes"):
        for n, noise in ((40, 1.0), (100, 1.0), (40, 0.3)):
            rng = np.random.default_rng([n, int(10 * noise)])
            jackknife = permutations = 0
            for seed in range(DRAWS):
                a = rng.standard_normal((n, 5))
                b, c = (a + noise * rng.standard_normal((n, 5)) for _ in "bc")
                found = closer(a, b, c, measure, n_permutations=19, seed=seed)
                jackknife += found.p_value <= 0.05
                permutations += found.p_chance <= 0.05
            print(
                f"{measure:18} {n:4} {noise:6} {jackknife / DRAWS:10.3f} "
                f"{permutations / DRAWS:13.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
