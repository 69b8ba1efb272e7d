"""Writes analysis.hpp beside this file: what numpy, SciPy and scikit-learn say of small cases, in double.

Needs numpy, SciPy, scikit-learn and mpmath (recorded with 2.4, 1.17, 1.9 and 1.4): python3 make_analysis.py
Sources: numpy.linalg.eigh, sklearn.decomposition.PCA, mpmath.qr and svd_r in 60 digits,
sklearn.metrics.mutual_info_score and normalized_mutual_info_score, sklearn.manifold._t_sne._kl_divergence.
"""
import pathlib

import mpmath
import numpy
import scipy
import scipy.optimize
import scipy.special
import sklearn
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA
from sklearn.manifold._t_sne import _kl_divergence
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score


def pca(x, k):
    model = PCA(n_components=k, svd_solver="full").fit(x)
    return {"mean": model.mean_, "components": model.components_, "scores": model.transform(x),
            "variance": model.explained_variance_, "ratio": model.explained_variance_ratio_}


def cosines(matrices):
    flat = numpy.array([m.ravel() / numpy.linalg.norm(m) for m in matrices])
    return flat @ flat.T


def principal_angles(a, b):
    """Of the column spaces, ascending. 60 digits leave an arc cosine near 1 more than a double holds;
    scipy.linalg.subspace_angles of 1.17 has only half of the digits where small and large angles meet."""
    with mpmath.workdps(60):
        bases = [mpmath.qr(mpmath.matrix(m.tolist()), mode="skinny")[0] for m in (a, b)]
        cosines = mpmath.svd_r(bases[0].T * bases[1], compute_uv=False)
        return sorted(float(mpmath.acos(min(c, mpmath.mpf(1)))) for c in cosines)


def joint_probabilities(x, perplexity):
    """Eq. 1 of van der Maaten & Hinton 2008, the widths by a root finder instead of a bisection."""
    n = len(x)
    squared = ((x[:, None] - x[None]) ** 2).sum(-1)
    p = numpy.zeros((n, n))
    for i in range(n):
        others = numpy.arange(n) != i

        def weights(log_beta):
            w = numpy.exp(-numpy.exp(log_beta) * squared[i, others])
            return w / w.sum()

        def excess(log_beta):
            w = weights(log_beta)
            return scipy.special.entr(w).sum() - numpy.log(perplexity)

        p[i, others] = weights(scipy.optimize.brentq(excess, -10, 4, xtol=1e-15, rtol=1e-15))
    return (p + p.T) / (2 * n)


def t_sne(p, y, iterations, rate):
    """The loop of van der Maaten & Hinton 2008 in matrices: exaggerated by 12 with momentum 0.5 for a quarter of the
    iterations, then plain with 0.8; gains + 0.2 and x 0.8, at least 0.01."""
    velocity, gains = numpy.zeros_like(y), numpy.ones_like(y)
    for step in range(iterations):
        early = step < iterations // 4
        weights = 1 / (1 + ((y[:, None] - y[None]) ** 2).sum(-1))
        numpy.fill_diagonal(weights, 0)
        forces = ((12 if early else 1) * p - weights / weights.sum()) * weights
        gradient = 4 * (numpy.diag(forces.sum(1)) - forces) @ y
        gains = numpy.where(gradient * velocity > 0, gains * 0.8, gains + 0.2).clip(min=0.01)
        velocity = (0.5 if early else 0.8) * velocity - rate * gains * gradient
        y = y + velocity
        y = y - y.mean(0)
    return y


def main():
    rng = numpy.random.default_rng(11)
    records = {}
    m = rng.normal(size=(8, 8))
    records["eigen_matrix"] = m + m.T
    records["eigen_values"] = numpy.linalg.eigh(m + m.T)[0][::-1]

    for name, shape, k in (("wide", (6, 11), 4), ("tall", (15, 4), 4)):
        x = rng.normal(size=shape) * numpy.linspace(0.5, 3, shape[1]) + rng.normal(size=shape[1])
        records["pca_" + name] = x
        records.update({"pca_%s_%s" % (name, part): v for part, v in pca(x, k).items()})

    start = rng.normal(size=(4, 7))
    matrices = [start + 0.4 * rng.normal(size=(4, 7)) for _ in range(3)]
    records["start"], records["matrices"] = start, numpy.array(matrices)
    records["cosine"] = cosines(matrices)
    records["cosine_of_change"] = cosines([m - start for m in matrices])

    # Rows: a direction in common, one nearly in common, one free. Columns: nothing on purpose.
    a, b = rng.normal(size=(3, 10)), rng.normal(size=(4, 10))
    b[1] = a[0] - 2 * a[1]
    b[2] = a[2] + 1e-6 * rng.normal(size=10)
    records["rows_a"], records["rows_b"] = a, b
    records["row_angles"] = principal_angles(a.T, b.T)
    a, b = rng.normal(size=(9, 2)), rng.normal(size=(9, 3))
    records["columns_a"], records["columns_b"] = a, b
    records["column_angles"] = principal_angles(a, b)

    # Five pairs of labellings of 40 things: independent, alike, finer, unbalanced, many classes.
    first, second = [], []
    for pair in range(5):
        r = rng.integers(0, (3, 4, 2, 5, 20)[pair], size=40)
        c = rng.integers(0, 4, size=40)
        if pair in (1, 2):
            c = numpy.where(rng.random(40) < 0.8, (r * (1, 3)[pair - 1] + (0, c % 2)[pair - 1]) % 7, c)
        if pair == 3:
            r = numpy.where(rng.random(40) < 0.85, 2, r)
        first.append(r)
        second.append(c)
    records["labels"], records["chosen"] = numpy.array(first), numpy.array(second)
    records["information"] = [mutual_info_score(r, c) for r, c in zip(first, second)]
    records["nmi"] = [normalized_mutual_info_score(r, c) for r, c in zip(first, second)]

    x = rng.normal(size=(20, 4))
    p = joint_probabilities(x, 5.0)
    y = rng.normal(size=(20, 2))
    divergence, gradient = _kl_divergence(y.ravel().copy(), squareform(p, checks=False), 1, 20, 2)
    records.update({"t_sne_x": x, "t_sne_p": p, "t_sne_y": y, "t_sne_divergence": divergence, "t_sne_gradient": gradient})
    start = PCA(n_components=2, svd_solver="full").fit_transform(x)
    records["t_sne_map"] = t_sne(p, start / start[:, 0].std() * 1e-4, 40, 0.5)

    lines = ["// Written by make_analysis.py with numpy %s, SciPy %s, scikit-learn %s; do not edit."
             % (numpy.__version__, scipy.__version__, sklearn.__version__), "#pragma once", "", "namespace golden {"]
    for name, values in records.items():
        values = numpy.asarray(values)
        shape = " x ".join(str(s) for s in values.shape) or "1"
        whole = values.dtype.kind == "i"
        lines.append("inline constexpr %s %s[] = {  // %s" % ("int" if whole else "double", name, shape))
        flat, wide = values.ravel().tolist(), 20 if whole else 4
        for i in range(0, len(flat), wide):
            lines.append("    " + ", ".join(("%d" if whole else "%.17g") % v for v in flat[i:i + wide]) + ",")
        lines.append("};")
    lines.append("}  // namespace golden")
    pathlib.Path(__file__).with_name("analysis.hpp").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
