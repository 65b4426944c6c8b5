//! What kind of model file some bytes are, told by the bytes alone: a version keeps its artefact's digest, no file name.

use crate::risk::is_risk;

/// A kind of model file that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ONNX, by ONNX Runtime.
    Onnx,
    /// XGBoost's JSON.
    XgboostJson,
    /// XGBoost's JSON in binary, UBJSON.
    XgboostUbjson,
    /// LightGBM's text.
    LightgbmText,
    /// A model of the risk of changes, trained here.
    Risk,
}

/// What is said of a file that is none of them.
const NONE: &str = "it is not an ONNX model, nor one of XGBoost (JSON or UBJSON) or LightGBM (text)";

/// First bytes of kinds that people have and that are not served, and what to do with each.
const OTHERS: [(&[u8], &str); 7] = [
    (b"binf", "it is in XGBoost's old binary form: load it with XGBoost before 3.1 and save it as `model.ubj`"),
    (b"CONFIG-offset:", "it is a snapshot of XGBoost with its training state: save the model itself with `save_model(\"model.ubj\")`"),
    (b"\x80\x02", "it is a Python pickle, which is never loaded: save the model with `save_model`, or export it as ONNX"),
    (b"\x80\x03", "it is a Python pickle, which is never loaded: save the model with `save_model`, or export it as ONNX"),
    (b"\x80\x04", "it is a Python pickle, which is never loaded: save the model with `save_model`, or export it as ONNX"),
    (b"\x80\x05", "it is a Python pickle, which is never loaded: save the model with `save_model`, or export it as ONNX"),
    (b"CBM1", "it is a CatBoost model: export it with `save_model(\"model.onnx\", format=\"onnx\")`"),
];

impl Format {
    /// Every kind.
    pub const ALL: [Format; 5] = [Format::Onnx, Format::XgboostJson, Format::XgboostUbjson, Format::LightgbmText, Format::Risk];

    /// The kind of a file with these bytes. A file of that kind may still be broken: who loads it says so.
    ///
    /// # Errors
    /// A sentence, when it is none that is served.
    pub fn of(bytes: &[u8]) -> Result<Format, String> {
        if bytes.is_empty() {
            return Err("the file is empty".to_owned());
        }
        if let Some((_, why)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
            return Err((*why).to_owned());
        }
        let text = bytes.trim_ascii_start();
        match text {
            [b'{', b'i' | b'U' | b'I' | b'l' | b'L', ..] => Ok(Format::XgboostUbjson),
            _ if is_risk(text) => Ok(Format::Risk),
            [b'{', ..] => Ok(Format::XgboostJson),
            _ if text.strip_prefix(b"tree").is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n")) => {
                Ok(Format::LightgbmText)
            }
            _ if is_onnx(bytes) => Ok(Format::Onnx),
            _ => Err(NONE.to_owned()),
        }
    }

    /// Name of the file in a version's directory.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Format::Onnx => "model.onnx",
            Format::XgboostJson => "model.json",
            Format::XgboostUbjson => "model.ubj",
            Format::LightgbmText => "model.txt",
            Format::Risk => "risk.json",
        }
    }

    /// The platform as the protocol names it: project and form.
    #[must_use]
    pub fn platform(self) -> &'static str {
        match self {
            Format::Onnx => "onnx_onnxv1",
            Format::XgboostJson => "xgboost_json",
            Format::XgboostUbjson => "xgboost_ubjson",
            Format::LightgbmText => "lightgbm_text",
            Format::Risk => "tidegate_risk",
        }
    }

    /// Whether ONNX Runtime's library runs it.
    #[must_use]
    pub fn needs_library(self) -> bool {
        self == Format::Onnx
    }
}

/// Whether the bytes begin as ONNX does, with a field of its outermost message, or are ONNX Runtime's own form of it.
fn is_onnx(bytes: &[u8]) -> bool {
    // ir_version, producer_name, producer_version, domain, model_version, doc_string, graph, opset_import, metadata_props.
    let field = matches!(bytes, [0x08 | 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42 | 0x72, ..]);
    // training_info, functions.
    let late = matches!(bytes, [0xa2 | 0xca, 0x01, ..]);
    field || late || bytes.get(4..8) == Some(b"ORTM")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn each_kind_is_told_by_its_first_bytes() {
        let tell = |bytes: &[u8]| match Format::of(bytes) {
            Ok(format) => format!("{}\n", format.platform()),
            Err(why) => format!("{why}\n"),
        };
        let told: String = [
            &b"\x08\x09\x12\x07skl2onnx"[..],
            b"\x20\0\0\0ORTM",
            b"{\"learner\": 1}",
            b" \n{ \"learner\": 1}",
            b"{}",
            b"{\"model\":{\"format\":1}}",
            b"{L\0\0\0\0\0\0\0\x07learner{",
            b"tree\nversion=v4\n",
            b"tree\r\nversion=v4\r\n",
            b"treelite",
            b"import onnx",
            b"",
            b"binf\0\0",
            b"\x80\x04\x95",
            b"CBM1\0",
        ]
        .map(tell)
        .concat();
        expect![[r#"
            onnx_onnxv1
            onnx_onnxv1
            xgboost_json
            xgboost_json
            xgboost_json
            tidegate_risk
            xgboost_ubjson
            lightgbm_text
            lightgbm_text
            it is not an ONNX model, nor one of XGBoost (JSON or UBJSON) or LightGBM (text)
            it is not an ONNX model, nor one of XGBoost (JSON or UBJSON) or LightGBM (text)
            the file is empty
            it is in XGBoost's old binary form: load it with XGBoost before 3.1 and save it as `model.ubj`
            it is a Python pickle, which is never loaded: save the model with `save_model`, or export it as ONNX
            it is a CatBoost model: export it with `save_model("model.onnx", format="onnx")`
        "#]]
        .assert_eq(&told);
    }
}
