"""Writes corpus.hpp beside this file: what scikit-learn makes of small corpora and point sets.

Needs scikit-learn (recorded with 1.9): python3 make_corpus.py
"""
import pathlib

import numpy as np
import sklearn
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import silhouette_score

DOCUMENTS = [
    "The doctor gave the patient a new drug; the drug helped.",
    "A judge heard the case, and the court ruled on the contract.",
    "Patient X-2 took 10 mg of the drug_b at 8am, the DOCTOR said.",
    "for (int i = 0; i < n; ++i) sum += x[i];  // a loop in C",
    "The court's contract: \u201cvoid\u201d \u2014 the judge said, \u00abnull\u00bb\u2026",
    "int sum = 0; while (n) { sum += n; --n; } return sum;",
    "na\u00efve caf\u00e9 stra\u00dfe \u043c\u0438\u0440 \u4e2d\u6587 and \u0394x \u2019tis x\u00b2 a\u00d7b \u00bd\u00bd",
    "patients, patients, patients: doctors and drugs and doctors",
    "Judges rule; the law rules; the law is the law",
    "return int x; int y; int z; while for while",
]


def lower_ascii(text):
    return "".join(c.lower() if c < "\x80" else c for c in text)


def vectorizers():
    yield "words", DOCUMENTS, TfidfVectorizer(lowercase=True, preprocessor=lower_ascii)
    yield "chosen", DOCUMENTS, TfidfVectorizer(preprocessor=lower_ascii, min_df=2, max_df=0.4)
    yield "frequent", DOCUMENTS, TfidfVectorizer(preprocessor=lower_ascii, max_features=4)
    bytes_of = [d.encode().decode("latin-1") for d in DOCUMENTS if "  " not in d and "\u00bd" not in d]
    yield "ngrams", bytes_of, TfidfVectorizer(analyzer="char", lowercase=False, ngram_range=(2, 3), min_df=2)


def number(value):
    return "%.17g" % value if isinstance(value, (float, np.floating)) else str(int(value))


def array(name, kind, values):
    lines = ["inline constexpr %s %s[] = {" % (kind, name)]
    values = [number(v) for v in values]
    lines += ["    " + ", ".join(values[i:i + 6]) + "," for i in range(0, len(values), 6)]
    return lines + ["};"]


def strings(name, texts, encoding="utf-8"):
    quote = lambda b: "".join(chr(c) if 32 <= c < 127 and c not in b'"\\?' else "\\%03o" % c for c in b)
    return (["inline constexpr std::string_view %s[] = {" % name] +
            ['    "%s",' % quote(t.encode(encoding)) for t in texts] + ["};"])


def main():
    lines = ["// Written by make_corpus.py with scikit-learn " + sklearn.__version__ + "; do not edit.",
             "#pragma once", "", "#include <string_view>", "", "namespace golden {"]
    lines += strings("documents", DOCUMENTS)
    for name, documents, vectorizer in vectorizers():
        encoding = "latin-1" if name == "ngrams" else "utf-8"
        matrix = vectorizer.fit_transform(documents)
        if name == "ngrams":
            lines += strings("ngram_documents", documents, encoding)
        if name == "frequent":  # no tie at the border, where scikit-learn's choice is not stated
            counts = TfidfVectorizer(preprocessor=lower_ascii, use_idf=False, norm=None).fit_transform(documents)
            totals = np.sort(np.asarray(counts.sum(axis=0)).ravel())[::-1]
            assert totals[3] > totals[4], totals[:8]
        lines += strings(name + "_terms", vectorizer.get_feature_names_out(), encoding)
        lines += array(name + "_idf", "double", vectorizer.idf_)
        lines += array(name + "_begin", "int", matrix.indptr)
        matrix.sort_indices()
        lines += array(name + "_column", "int", matrix.indices)
        lines += array(name + "_value", "double", matrix.data)

    # K-means from given centres, dense and sparse.
    points, _ = make_blobs(n_samples=60, centers=5, n_features=3, cluster_std=1.6, random_state=3)
    lines += array("blobs", "double", points.ravel())  # (60, 3)
    fit = KMeans(5, init=points[:5], n_init=1, tol=0, max_iter=300, algorithm="lloyd").fit(points)
    lines += array("blobs_labels", "int", fit.labels_)
    lines += array("blobs_centres", "double", fit.cluster_centers_.ravel())
    lines += array("blobs_sse", "double", [float(fit.inertia_)])
    lines += array("blobs_silhouette", "double", [float(silhouette_score(points, fit.labels_))])
    rows = TfidfVectorizer(preprocessor=lower_ascii).fit_transform(DOCUMENTS)
    fit = KMeans(3, init=rows[[0, 1, 3]].toarray(), n_init=1, tol=0, algorithm="lloyd").fit(rows)
    lines += array("words_labels", "int", fit.labels_)  # from documents 0, 1 and 3 as centres
    lines += array("words_sse", "double", [float(fit.inertia_)])
    lines += array("words_silhouette", "double", [float(silhouette_score(rows, fit.labels_))])

    # DBSCAN.
    moons, _ = make_moons(n_samples=90, noise=0.08, random_state=5)
    moons = np.vstack([moons, np.random.default_rng(1).uniform(-1.5, 2.5, (10, 2))])
    lines += array("moons", "double", moons.ravel())  # (100, 2)
    for name, least, data, metric, epsilon in (("moons_euclidean", 5, moons, "euclidean", 0.25),
                                               ("moons_narrow", 4, moons, "euclidean", 0.14),
                                               ("moons_cosine", 6, moons, "cosine", 0.002),
                                               ("words_cosine", 2, rows, "cosine", 0.8),
                                               ("words_euclidean", 2, rows, "euclidean", 1.27)):
        fit = DBSCAN(eps=epsilon, min_samples=least, metric=metric).fit(data)
        print(name, np.unique(fit.labels_, return_counts=True), len(fit.core_sample_indices_))
        lines += array(name + "_labels", "int", fit.labels_)
        lines += array(name + "_core", "int", [int(i in fit.core_sample_indices_) for i in range(data.shape[0])])

    lines += ["}  // namespace golden"]
    pathlib.Path(__file__).with_name("corpus.hpp").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
