//! How a call arrives: a method's name, and a body that is small, prompt and the JSON that the method takes.

use std::time::Duration;

use axum::{
    body::{self, Body},
    extract::{FromRequest, Request},
    http::header,
};
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// Ten thousand published ports take a megabyte.
const MOST_BYTES: usize = 16 << 20;

/// dockerd sends a call in one piece.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body that takes long to read is read beside the names.
const MUCH: usize = 64 << 10;

/// The body of a call, read.
pub struct Call<T>(pub T);

impl<T: DeserializeOwned + Send + 'static, S: Send + Sync> FromRequest<S> for Call<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > MOST_BYTES) {
            return Err(Refusal::TooLarge(MOST_BYTES));
        }
        let bytes = match tokio::time::timeout(PATIENCE, read(request.into_body())).await {
            Ok(read) => read?,
            Err(_) => return Err(Refusal::TooSlow(PATIENCE.as_secs())),
        };
        if bytes.len() < MUCH {
            return parse(&method, &bytes).map(Self);
        }
        let parsed = tokio::task::spawn_blocking(move || parse(&method, &bytes)).await;
        parsed.unwrap_or_else(|error| Err(Refusal::Lost(error.to_string()))).map(Self)
    }
}

async fn read(body: Body) -> Result<body::Bytes, Refusal> {
    body::to_bytes(body, MOST_BYTES).await.map_err(|error| {
        let is_too_large =
            std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if is_too_large { Refusal::TooLarge(MOST_BYTES) } else { Refusal::Cut(error.to_string()) }
    })
}

/// serde_json itself refuses what is nested more than 128 deep.
fn parse<T: DeserializeOwned>(method: &str, bytes: &[u8]) -> Result<T, Refusal> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { String::new() } else { format!("{place}: ") };
        Refusal::Malformed { method: method.to_owned(), place, source: error.into_inner() }
    })?;
    let of_end = |source| Refusal::Malformed { method: method.to_owned(), place: String::new(), source };
    input.end().map_err(of_end).map(|()| read)
}
