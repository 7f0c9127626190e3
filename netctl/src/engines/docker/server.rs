//! Connections to the plugin socket: accepted, bounded in number and in time, each on a task of its own. Not the calls.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::UnixListener, sync::Semaphore};

/// dockerd opens one for each call that is under way.
const MOST_CONNECTIONS: usize = 1024;

/// How long a connection may say nothing, or be at a request's head.
const IDLE: Duration = Duration::from_secs(30);

/// How long to wait where no connection can be had, as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves connections for ever.
pub async fn serve(listener: UnixListener, router: Router) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("the plugin socket: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("the plugin socket: more than {MOST_CONNECTIONS} connections; one was closed");
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            let connection = builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!("the plugin socket: {error}");
            }
            drop(place);
        });
    }
}
