//! Looks through the texts of answers: of our versions before they are written, of an upstream's as they came. What is told of findings
//! follows from the service's rules.

use crate::frame::{Answer, Body, Outcome};
use tidegate_core::scan::{Action, Findings, Kind, Rules};
use tidegate_runtime::oip::{self, Answering, Wanted, read_infer_response};
use tidegate_runtime::{InferResponse, TensorData};

/// What the texts of a response give away; what is to be masked is.
pub fn look_through(response: &mut InferResponse, rules: &Rules) -> Findings {
    let mut found = Findings::default();
    if rules.is_empty() {
        return found;
    }
    for output in &mut response.outputs {
        let TensorData::Bytes(texts) = &mut output.data else { continue };
        for text in texts {
            if let Some(masked) = rules.scan(text, &mut found) {
                *text = masked;
            }
        }
    }
    found
}

/// An upstream's answer as it may be given out.
pub fn scanned(answer: Answer, rules: &Rules, answering: &Answering) -> Answer {
    if rules.is_empty() {
        return answer;
    }
    if answer.outcome != Outcome::Answered {
        return sentence(answer, rules);
    }
    let keeps = rules.0.values().any(|action| *action != Action::Flag);
    let (_, mut response) = match read_infer_response(answer.body.over_http()) {
        Ok(read) => read,
        // What cannot be looked through is given out only where nothing would be kept back.
        Err(_) if !keeps => return answer,
        Err(why) => {
            let why = format!(
                "the upstream's answer is not given out: it cannot be looked through, which `scan` of this service asks for: {why}"
            );
            return Answer { body: Answer::error(Outcome::Failed, &why).body, outcome: Outcome::Failed, ..answer };
        }
    };
    let found = look_through(&mut response, rules);
    if let Some(kind) = found.blocked(rules) {
        let refused = blocked(kind);
        return Answer { found, body: refused.body, outcome: refused.outcome, ..answer };
    }
    if !keeps {
        return Answer { found, ..answer };
    }
    // What was not read, as parameters, is not given out either.
    let wanted = Wanted::binary(answer.body.form.json_bytes().is_some());
    match oip::answer(answering, &response, &wanted) {
        Ok(written) => Answer { found, body: Body::from(written), ..answer },
        Err(why) => Answer { found, body: Answer::error(Outcome::Failed, &why.message).body, outcome: Outcome::Failed, ..answer },
    }
}

/// An error with its sentence as it may be given out.
fn sentence(answer: Answer, rules: &Rules) -> Answer {
    let mut found = Findings::default();
    match rules.scan(&answer.told(), &mut found) {
        Some(masked) => Answer { found, body: Answer::error(answer.outcome, &masked).body, ..answer },
        None => Answer { found, ..answer },
    }
}

/// What is said of an answer that is kept back.
pub fn blocked(kind: Kind) -> Answer {
    let kind = kind.as_str();
    Answer::error(Outcome::Refused, &format!("the answer is not given out: it holds {kind}, which `scan` of this service blocks"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn scan(body: &str, action: Action) -> (String, Answer) {
        let rules = Rules(BTreeMap::from([(Kind::Card, action)]));
        let answer = Answer { body: Body::json(body.to_owned()), ..Answer::empty() };
        let answer = scanned(answer, &rules, &Answering { model_name: "m".to_owned(), model_version: Some("1".to_owned()) });
        (String::from_utf8(answer.body.bytes.to_vec()).unwrap(), answer)
    }

    #[test]
    fn a_card_number_in_an_upstreams_text_is_kept_back() {
        let body = r#"{"model_name":"m","model_version":"1","id":"7","outputs":[{"name":"t","datatype":"BYTES","shape":[1],"data":["4111111111111111"]}]}"#;
        let (text, answer) = scan(body, Action::Mask);
        assert!(text.contains(r#""************1111""#) && text.contains(r#""id":"7""#), "{text}");
        assert_eq!(answer.found.0, BTreeMap::from([(Kind::Card, 1)]));
        let (text, answer) = scan(body, Action::Block);
        assert!(!text.contains("4111") && answer.outcome == Outcome::Refused, "{text}");
        assert_eq!(scan(body, Action::Flag).0, body);
        // Numbers that are no texts are no card numbers.
        let numbers = r#"{"model_name":"m","outputs":[{"name":"t","datatype":"INT64","shape":[1],"data":[4111111111111111]}]}"#;
        assert!(scan(numbers, Action::Mask).0.contains("[4111111111111111]"));
    }

    #[test]
    fn what_an_upstream_says_of_an_error_is_looked_through_too() {
        let rules = Rules(BTreeMap::from([(Kind::Card, Action::Block)]));
        let answer = Answer::error(Outcome::ClientFault, "no such customer: 4111111111111111");
        let answer = scanned(answer, &rules, &Answering::default());
        assert_eq!((answer.outcome, answer.told().as_str()), (Outcome::ClientFault, "no such customer: ************1111"));
    }

    #[test]
    fn what_cannot_be_looked_through_is_given_out_only_where_nothing_is_kept_back() {
        assert_eq!(scan("no json 4111111111111111", Action::Flag).0, "no json 4111111111111111");
        let (text, answer) = scan("no json 4111111111111111", Action::Mask);
        assert!(!text.contains("4111111111111111") && answer.outcome == Outcome::Failed, "{text}");
    }
}
