"""Every estimator of scikit-learn, trained: what it needs to be made, which rows it takes, which truth."""

import sklearn.base
from sklearn import ensemble, linear_model, model_selection, multiclass, multioutput, pipeline, preprocessing, tree
from sklearn.base import is_classifier, is_regressor
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.utils import all_estimators

LOGISTIC = {"max_iter": 300}


def _made():
    """Those that are given others, or cannot be made without an argument."""
    logistic, ridge = linear_model.LogisticRegression(**LOGISTIC), linear_model.Ridge()
    shallow, small = tree.DecisionTreeClassifier(max_depth=4), tree.DecisionTreeRegressor(max_depth=4)
    some = [("logistic", logistic), ("tree", shallow)]
    return {
        "ClassifierChain": lambda c: c(logistic),
        "ColumnTransformer": lambda c: c([("scale", preprocessing.StandardScaler(), [0, 1, 2]), ("pass", "passthrough", [3, 4])]),
        "FeatureUnion": lambda c: c([("pca", PCA(2)), ("scale", preprocessing.MinMaxScaler())]),
        "FixedThresholdClassifier": lambda c: c(logistic),
        "FunctionTransformer": lambda c: c(),
        "GridSearchCV": lambda c: c(logistic, {"C": [0.1, 1.0]}),
        "MultiOutputClassifier": lambda c: c(logistic),
        "MultiOutputRegressor": lambda c: c(ridge),
        "OneVsOneClassifier": lambda c: c(logistic),
        "OneVsRestClassifier": lambda c: c(logistic),
        "OutputCodeClassifier": lambda c: c(logistic),
        "Pipeline": lambda c: c([("scale", preprocessing.StandardScaler()), ("logistic", logistic)]),
        "RFE": lambda c: c(logistic, n_features_to_select=4),
        "RFECV": lambda c: c(logistic),
        "RandomizedSearchCV": lambda c: c(logistic, {"C": [0.1, 1.0]}, n_iter=2),
        "RegressorChain": lambda c: c(ridge),
        "SelectFromModel": lambda c: c(shallow),
        "SelfTrainingClassifier": lambda c: c(logistic),
        "SequentialFeatureSelector": lambda c: c(logistic, n_features_to_select=3),
        "SparseCoder": lambda c: c(dictionary=sklearn.preprocessing.normalize([[1.0] * 8, [1.0, -1.0] * 4])),
        "StackingClassifier": lambda c: c(some),
        "StackingRegressor": lambda c: c([("ridge", ridge), ("tree", small)]),
        "TunedThresholdClassifierCV": lambda c: c(logistic),
        "VotingClassifier": lambda c: c(some, voting="soft", flatten_transform=False),
        "VotingRegressor": lambda c: c([("ridge", ridge), ("tree", small)]),
        "FrozenEstimator": lambda c: c(linear_model.LogisticRegression().fit([[float(i + j) for j in range(8)] for i in range(6)], [0, 1, 2] * 2)),
        "TransformedTargetRegressor": lambda c: c(ridge),
        "KBinsDiscretizer": lambda c: c(encode="ordinal"),
        "LocalOutlierFactor": lambda c: c(novelty=True),
        "RandomTreesEmbedding": lambda c: c(sparse_output=False),
        "LogisticRegression": lambda c: c(**LOGISTIC),
        "MLPClassifier": lambda c: c((16,), max_iter=60),
        "MLPRegressor": lambda c: c(hidden_layer_sizes=(16,), max_iter=60),
        "DictVectorizer": lambda c: c(sparse=False),
        "GaussianRandomProjection": lambda c: c(n_components=3),
        "SparseRandomProjection": lambda c: c(n_components=3),
        "OneHotEncoder": lambda c: c(sparse_output=False, handle_unknown="ignore"),
        "TruncatedSVD": lambda c: c(3),
        "PCA": lambda c: c(3),
    }


INPUTS = {
    "AdditiveChi2Sampler": "unit",
    "BernoulliRBM": "unit",
    "CategoricalNB": "codes",
    "ComplementNB": "counts",
    "CountVectorizer": "texts",
    "HashingVectorizer": "texts",
    "IsotonicRegression": "one",
    "KNNImputer": "missing",
    "LatentDirichletAllocation": "counts",
    "MiniBatchNMF": "positive",
    "MissingIndicator": "missing",
    "MultinomialNB": "counts",
    "NMF": "positive",
    "OneHotEncoder": "categories",
    "OrdinalEncoder": "categories",
    "SimpleImputer": "missing",
    "TargetEncoder": "categories",
    "TfidfTransformer": "counts",
    "TfidfVectorizer": "texts",
    "HistGradientBoostingClassifier": "missing",
    "HistGradientBoostingRegressor": "missing",
}
TRUTHS = {
    "ClassifierChain": "labels",
    "MultiOutputClassifier": "labels",
    "GammaRegressor": "positive",
    "PoissonRegressor": "positive",
    "TweedieRegressor": "positive",
    "CCA": "numbers",
    "MultiOutputRegressor": "numbers",
    "MultiTaskElasticNet": "numbers",
    "MultiTaskElasticNetCV": "numbers",
    "MultiTaskLasso": "numbers",
    "MultiTaskLassoCV": "numbers",
    "PLSCanonical": "numbers",
    "PLSRegression": "numbers",
    "PLSSVD": "numbers",
    "RegressorChain": "numbers",
    "FixedThresholdClassifier": "two",
    "TunedThresholdClassifierCV": "two",
    "TargetEncoder": "two",
    "GaussianProcessClassifier": "two",
}
# They take truths in place of rows, or pieces of pictures: nothing that a request could carry.
NO_ROWS = {
    "LabelBinarizer": "it takes labels, not rows of features",
    "LabelEncoder": "it takes labels, not rows of features",
    "KernelCenterer": "it takes a kernel of the rows it was trained on",
    "MultiLabelBinarizer": "it takes sets of labels, not rows of features",
    "PatchExtractor": "it takes pictures, not rows of features",
    "DictVectorizer": "it takes dictionaries, and an ONNX map is no tensor",
    "FeatureHasher": "it takes dictionaries, and an ONNX map is no tensor",
}


def singles():
    """Name, a function that makes it, its rows, its truth (none for those without)."""
    made = _made()
    for name, kind in all_estimators():
        if name in NO_ROWS:
            continue
        make = made.get(name, lambda c: c())
        probe = make(kind)
        truth = TRUTHS.get(name)
        if truth is None:
            truth = "three" if is_classifier(probe) else "number" if is_regressor(probe) else "two"
        yield name, (lambda make=make, kind=kind: make(kind)), INPUTS.get(name, "numbers"), truth


def composed():
    """Pipelines as people build them, and kinds with other settings than their own."""
    scale, logistic = preprocessing.StandardScaler, linear_model.LogisticRegression
    forest, boosted = ensemble.RandomForestClassifier, ensemble.GradientBoostingClassifier
    mixed = ColumnTransformer(
        [("scale", scale(), ["a", "b", "c"]), ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour", "size"])]
    )
    return [
        ("LogisticRegression, two classes", lambda: logistic(**LOGISTIC), "numbers", "two"),
        ("LogisticRegression, classes as words", lambda: logistic(**LOGISTIC), "numbers", "words"),
        ("RandomForestClassifier, two classes", lambda: forest(30), "numbers", "two"),
        ("RandomForestRegressor, several outputs", lambda: ensemble.RandomForestRegressor(30), "numbers", "numbers"),
        ("GradientBoostingClassifier, two classes", lambda: boosted(n_estimators=30), "numbers", "two"),
        ("HistGradientBoostingClassifier, two classes", lambda: ensemble.HistGradientBoostingClassifier(), "missing", "two"),
        ("IsolationForest, 100 trees", lambda: ensemble.IsolationForest(), "numbers", "two"),
        ("KMeans, 12 clusters", lambda: KMeans(12, n_init=2), "numbers", "two"),
        ("scaling, PCA, logistic regression", lambda: pipeline.make_pipeline(scale(), PCA(4), logistic(**LOGISTIC)), "numbers", "three"),
        ("quantiles, random forest", lambda: pipeline.make_pipeline(preprocessing.QuantileTransformer(n_quantiles=50), forest(20)), "numbers", "three"),
        ("imputing, boosting", lambda: pipeline.make_pipeline(sklearn.impute.SimpleImputer(), boosted(n_estimators=20)), "missing", "two"),
        ("polynomials, ridge", lambda: pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), linear_model.Ridge()), "numbers", "number"),
        ("words counted, logistic regression", lambda: pipeline.make_pipeline(CountVectorizer(), logistic(**LOGISTIC)), "texts", "two"),
        ("TF-IDF of pairs, linear SVM", lambda: pipeline.make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), sklearn.svm.LinearSVC()), "texts", "three"),
        ("TF-IDF of characters", lambda: TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), "texts", "two"),
        ("TF-IDF, SVD, forest", lambda: pipeline.make_pipeline(TfidfVectorizer(), TruncatedSVD(4), forest(20)), "texts", "two"),
        ("numbers and words by column, logistic regression", lambda: pipeline.make_pipeline(mixed, logistic(**LOGISTIC)), "mixed", "two"),
        ("numbers and words by column, forest", lambda: pipeline.make_pipeline(mixed, forest(20)), "mixed", "three"),
        ("one against the rest, linear SVM", lambda: multiclass.OneVsRestClassifier(sklearn.svm.LinearSVC()), "numbers", "three"),
        ("several outputs, forest", lambda: multioutput.MultiOutputRegressor(ensemble.RandomForestRegressor(10)), "numbers", "numbers"),
        ("grid over a pipeline", lambda: model_selection.GridSearchCV(pipeline.make_pipeline(scale(), logistic(**LOGISTIC)), {"logisticregression__C": [0.1, 1]}), "numbers", "two"),
        ("target scaled, ridge", lambda: TransformedTargetRegressor(linear_model.Ridge(), transformer=scale()), "numbers", "number"),
    ]
