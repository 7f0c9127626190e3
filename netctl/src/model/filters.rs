//! `--filter NAME=VALUE`, with Docker's rules: several of one name need one that fits, but labels need all; names and
//! identifiers are regular expressions.

use std::collections::BTreeMap;

use regex_lite::Regex;

/// Why a filter cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FilterError {
    /// It has no value.
    #[error("bad format of filter {0:?} (expected name=value)")]
    Malformed(String),
    /// There is none of that name.
    #[error("invalid filter '{name}': there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Its value.
    #[error("invalid filter '{name}={value}': {cure}")]
    Value {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// What it may be.
        cure: String,
    },
}

/// What was asked for.
#[derive(Clone, Default, Debug)]
pub struct Filters(Vec<(String, String)>);

impl Filters {
    /// Reads filters of a list that knows those names. Everything that is wrong is told.
    pub fn read(items: &[String], known: &[&'static str]) -> Result<Self, Vec<FilterError>> {
        let (mut filters, mut errors) = (Vec::new(), Vec::new());
        for item in items {
            match item.split_once('=') {
                None => errors.push(FilterError::Malformed(item.clone())),
                Some((name, value)) => {
                    let name = name.trim().to_lowercase();
                    if known.contains(&name.as_str()) {
                        filters.push((name, value.trim().to_owned()));
                    } else {
                        errors.push(FilterError::Unknown { name, known: known.join(", ") });
                    }
                }
            }
        }
        if errors.is_empty() { Ok(Self(filters)) } else { Err(errors) }
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The values of one name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Whether one of the values fits, or there is none.
    pub fn any(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        !self.has(name) || self.values(name).any(fits)
    }

    /// Whether a text is one of the values, or matches one as an expression.
    pub fn matches(&self, name: &str, text: &str) -> bool {
        self.any(name, |value| value == text || Regex::new(value).is_ok_and(|expression| expression.is_match(text)))
    }

    /// Whether all labels that are asked for are there.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").all(|wanted| has_label(labels, wanted))
    }

    /// Whether none of the labels that must not be there is.
    pub fn without_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.values("label!").any(|unwanted| has_label(labels, unwanted))
    }

    /// The one truth value of a name.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, FilterError> {
        let mut flag = None;
        for value in self.values(name) {
            flag = Some(match value.to_lowercase().as_str() {
                "1" | "true" => true,
                "0" | "false" => false,
                _ => return Err(FilterError::value(name, value, "give true or false")),
            });
        }
        Ok(flag)
    }

    /// Refuses values of a name that are none of these.
    pub fn check(&self, name: &str, allowed: &[&str]) -> Result<(), FilterError> {
        match self.values(name).find(|value| !allowed.contains(value)) {
            None => Ok(()),
            Some(value) => Err(FilterError::value(name, value, format!("give one of {}", allowed.join(", ")))),
        }
    }
}

impl FilterError {
    /// The refusal of a filter's value.
    pub fn value(name: &str, value: &str, cure: impl Into<String>) -> Self {
        Self::Value { name: name.to_owned(), value: value.to_owned(), cure: cure.into() }
    }
}

fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        None => labels.contains_key(wanted),
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(items: &[&str]) -> Result<Filters, Vec<FilterError>> {
        let items: Vec<_> = items.iter().map(|item| (*item).to_owned()).collect();
        Filters::read(&items, &["name", "label", "dangling"])
    }

    #[test]
    fn several_of_one_name_need_one_that_fits_and_labels_need_all() {
        let names = filters(&["name=we", "name=^db$"]).unwrap();
        assert!(names.matches("name", "web") && names.matches("name", "db") && !names.matches("name", "db2"));
        let labels = filters(&["label=a", "label=b=2"]).unwrap();
        let has = |pairs: &[(&str, &str)]| {
            labels.labels(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        assert!(has(&[("a", "1"), ("b", "2")]) && !has(&[("a", "1")]) && !has(&[("a", "1"), ("b", "3")]));
        assert!(filters(&[]).unwrap().matches("name", "anything"));
    }

    #[test]
    fn what_no_list_knows_is_refused_all_at_once() {
        let told: Vec<_> = filters(&["colour=red", "name", "shape=round"]).unwrap_err();
        let sentences: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert!(sentences.len() == 3 && sentences[0].starts_with("invalid filter 'colour'"), "{sentences:?}");
        let flag = filters(&["dangling=perhaps"]).unwrap().flag("dangling").unwrap_err().to_string();
        assert!(flag.starts_with("invalid filter 'dangling=perhaps'"), "{flag}");
    }
}
