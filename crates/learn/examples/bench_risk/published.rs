//! Areas under the ROC curve that others published on these sets, as far as their splits are ours or nearly: of ISSTA'21 the last
//! fifth of the whole set, of which the given part is the first four fifths; of ApacheJIT the authors' own split.

/// Project; LApredict, DeepJIT, CC2Vec, Kamei's regression, a deep belief network.
pub const ISSTA21: &[(&str, [f64; 5])] = &[
    ("qt", [0.7438, 0.6927, 0.6936, 0.6651, 0.6663]),
    ("openstack", [0.7491, 0.7132, 0.7227, 0.7248, 0.7292]),
    ("jdt", [0.6757, 0.6701, 0.6653, 0.6736, 0.5870]),
    ("gerrit", [0.7495, 0.7025, 0.6986, 0.6570, 0.6713]),
];

/// Project; random forest.
pub const APACHEJIT: &[(&str, f64)] = &[
    ("activemq", 0.738),
    ("camel", 0.774),
    ("groovy", 0.737),
    ("hadoop-hdfs", 0.938),
    ("hadoop-mapreduce", 0.837),
    ("hbase", 0.734),
    ("kafka", 0.791),
    ("spark", 0.832),
    ("zeppelin", 0.663),
    ("zookeeper", 0.726),
];

/// Project; boosted trees with the same history features, measured elsewhere on the whole set; the previous outcome alone.
pub const TRAVIS: &[(&str, f64, f64)] = &[
    ("cloudify", 0.708, 0.641),
    ("graylog2-server", 0.760, 0.756),
    ("jackrabbit-oak", 0.655, 0.561),
    ("jruby", 0.708, 0.676),
    ("open-build-service", 0.644, 0.588),
    ("rails", 0.718, 0.660),
    ("sonarqube", 0.663, 0.543),
];
