//! Connections to the plugin socket: accepted, bounded in number and in time, each on a task of its own, and ended with no call cut
//! off. Not the calls.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::UnixListener,
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};

/// dockerd opens one for each call that is under way.
const MOST_CONNECTIONS: usize = 1024;

/// How long a connection may say nothing, or be at a request's head.
const IDLE: Duration = Duration::from_secs(30);

/// How long to wait where no connection can be had, as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How long calls that are under way may take once we are to end: as long as a command waits for the engine.
const LAST_CALLS: Duration = Duration::from_secs(30);

/// Serves connections until `end` says something or is dropped, and then those that have begun, to their calls' answers: dockerd
/// repeats a call that was cut off without what it had said. Who connects later waits for the next who listens.
pub async fn serve(listener: UnixListener, router: Router, mut end: oneshot::Receiver<()>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let begun = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            // Who waits already is let in.
            biased;
            accepted = listener.accept() => accepted,
            _ = &mut end => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("the plugin socket: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("the plugin socket: more than {MOST_CONNECTIONS} connections; one was closed");
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
        let connection = begun.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("the plugin socket: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    // A call whose first byte is on its way would be taken for none.
    sleep(PAUSE).await;
    if timeout(LAST_CALLS, begun.shutdown()).await.is_err() {
        tracing::warn!("the plugin socket: calls were cut off that took more than {} s", LAST_CALLS.as_secs());
    }
}
