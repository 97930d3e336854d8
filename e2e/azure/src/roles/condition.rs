//! Conditions of role assignments: the part of their language that is about roles, principals and
//! the names of vaults and secrets.

use crate::faults::matches_pattern;

/// How deep parentheses may go.
const MAX_DEPTH: usize = 32;

/// What a condition may ask for, such as `@Request[Microsoft.KeyVault/vaults/secrets:name]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// `source` is `Request` or `Resource`.
    pub(crate) fn add(&mut self, source: &str, name: &str, value: &str) {
        let key = format!("@{source}[{name}]").to_ascii_lowercase();
        self.0.push((key, value.to_owned()));
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }
}

/// A condition that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition(Expression);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    /// Patterns of actions.
    Action(Vec<String>),
    Compare(Comparison),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    /// Source and attribute in lower case.
    attribute: String,
    operator: Operator,
    negated: bool,
    /// Whether it must hold for all values, not just for one.
    for_all: bool,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    EqualsIgnoreCase,
    StartsWith,
    Like,
}

impl Condition {
    /// `None` for what is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut tokens = tokens(text)?.into_iter().peekable();
        let whole = any(&mut tokens, 0)?;
        tokens.next().is_none().then_some(Self(whole))
    }

    /// Whether it lets an action pass. An attribute that is not there is equal to nothing.
    pub(crate) fn holds(&self, action: &str, attributes: &Attributes) -> bool {
        self.0.holds(&action.to_ascii_lowercase(), attributes)
    }
}

/// Whether a role assignment's condition, if it has one, lets an action pass. One that is not
/// understood lets nothing pass.
pub(crate) fn condition_holds(text: Option<&str>, action: &str, attributes: &Attributes) -> bool {
    text.is_none_or(|text| {
        Condition::parse(text).is_some_and(|condition| condition.holds(action, attributes))
    })
}

impl Expression {
    fn holds(&self, action: &str, attributes: &Attributes) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(action, attributes)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(action, attributes)),
            Self::Not(part) => !part.holds(action, attributes),
            Self::Action(patterns) => patterns
                .iter()
                .any(|pattern| matches_pattern(&pattern.to_ascii_lowercase(), action)),
            Self::Compare(comparison) => comparison.holds(attributes),
        }
    }
}

impl Comparison {
    fn holds(&self, attributes: &Attributes) -> bool {
        let Some(found) = attributes.get(&self.attribute) else {
            return false;
        };
        let fits = |value: &String| {
            let fits = match self.operator {
                Operator::Equals => found == value,
                Operator::EqualsIgnoreCase => found.eq_ignore_ascii_case(value),
                Operator::StartsWith => found.starts_with(value),
                Operator::Like => matches_pattern(value, found),
            };
            fits != self.negated
        };
        match self.for_all {
            true => self.values.iter().all(fits),
            false => self.values.iter().any(fits),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// One of `( ) { } ,` and `!`.
    Mark(char),
    Word(String),
    Quoted(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..)?;
        rest = match first {
            '(' | ')' | '{' | '}' | ',' | '!' => {
                all.push(Token::Mark(first));
                after
            }
            '\'' => {
                let (quoted, after) = after.split_once('\'')?;
                all.push(Token::Quoted(quoted.to_owned()));
                after
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "(){},!'".contains(c);
                let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                all.push(Token::Word(word.to_owned()));
                after
            }
        }
        .trim_start();
    }
    Some(all)
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

fn is_word(token: &Token, names: [&str; 2]) -> bool {
    matches!(token, Token::Word(word) if names.iter().any(|name| word.eq_ignore_ascii_case(name)))
}

/// Parts joined by `OR`, which binds less than `AND`.
fn any(tokens: &mut Tokens, depth: usize) -> Option<Expression> {
    let mut parts = vec![all(tokens, depth)?];
    while tokens
        .next_if(|token| is_word(token, ["OR", "||"]))
        .is_some()
    {
        parts.push(all(tokens, depth)?);
    }
    Some(Expression::Any(parts))
}

fn all(tokens: &mut Tokens, depth: usize) -> Option<Expression> {
    let mut parts = vec![one(tokens, depth)?];
    while tokens
        .next_if(|token| is_word(token, ["AND", "&&"]))
        .is_some()
    {
        parts.push(one(tokens, depth)?);
    }
    Some(Expression::All(parts))
}

fn one(tokens: &mut Tokens, depth: usize) -> Option<Expression> {
    let deeper = depth.checked_add(1).filter(|depth| *depth <= MAX_DEPTH)?;
    match tokens.next()? {
        Token::Mark('(') => {
            let inner = any(tokens, deeper)?;
            (tokens.next()? == Token::Mark(')')).then_some(inner)
        }
        Token::Mark('!') => Some(Expression::Not(Box::new(one(tokens, deeper)?))),
        Token::Word(word) if word.eq_ignore_ascii_case("NOT") => {
            Some(Expression::Not(Box::new(one(tokens, deeper)?)))
        }
        Token::Word(word) if word.eq_ignore_ascii_case("ActionMatches") => {
            Some(Expression::Action(values(tokens)?))
        }
        Token::Word(word) if word.starts_with('@') && word.ends_with(']') => {
            let Token::Word(operator) = tokens.next()? else {
                return None;
            };
            comparison(&word, &operator, values(tokens)?)
        }
        _ => None,
    }
}

/// A value, or several in braces.
fn values(tokens: &mut Tokens) -> Option<Vec<String>> {
    let value = |token| match token {
        Token::Quoted(text) | Token::Word(text) => Some(text),
        Token::Mark(_) => None,
    };
    if tokens.next_if_eq(&Token::Mark('{')).is_none() {
        return Some(vec![value(tokens.next()?)?]);
    }
    let mut all = Vec::new();
    loop {
        all.push(value(tokens.next()?)?);
        match tokens.next()? {
            Token::Mark(',') => {}
            Token::Mark('}') => return Some(all),
            _ => return None,
        }
    }
}

fn comparison(attribute: &str, operator: &str, values: Vec<String>) -> Option<Expression> {
    let (quantifier, name) = operator.rsplit_once(':').unwrap_or(("", operator));
    let for_all = match quantifier {
        "" | "ForAnyOfAnyValues" | "ForAllOfAnyValues" => false,
        "ForAnyOfAllValues" | "ForAllOfAllValues" => true,
        _ => return None,
    };
    let (operator, negated) = match name {
        "GuidEquals" | "StringEqualsIgnoreCase" => (Operator::EqualsIgnoreCase, false),
        "GuidNotEquals" | "StringNotEqualsIgnoreCase" => (Operator::EqualsIgnoreCase, true),
        "StringEquals" => (Operator::Equals, false),
        "StringNotEquals" => (Operator::Equals, true),
        "StringStartsWith" => (Operator::StartsWith, false),
        "StringNotStartsWith" => (Operator::StartsWith, true),
        "StringLike" => (Operator::Like, false),
        "StringNotLike" => (Operator::Like, true),
        _ => return None,
    };
    Some(Expression::Compare(Comparison {
        attribute: attribute.to_ascii_lowercase(),
        operator,
        negated,
        for_all,
        values,
    }))
}

#[cfg(test)]
mod tests;
