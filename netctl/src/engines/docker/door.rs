//! The way from a call to the engine: one at a time, beside everything else that `serve` does, and word of what has changed.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, mpsc};

use super::refusal::Refusal;
use crate::{
    engine::{Dirs, Engine},
    model::Id,
};

/// What the names have to look at again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// One container, or where it is.
    Container(Id),
    /// Which networks there are.
    Networks,
}

/// An engine, as dockerd's calls reach it.
#[derive(Clone, Debug)]
pub struct Door {
    dirs: Dirs,
    /// Calls wait for the engine here, in their order, and not all at its lock.
    turn: Arc<Semaphore>,
    news: mpsc::UnboundedSender<News>,
    calls: Arc<Notify>,
}

impl Door {
    /// A door to the engine of these directories.
    pub fn new(dirs: Dirs, news: mpsc::UnboundedSender<News>) -> Self {
        Self { dirs, turn: Arc::new(Semaphore::new(1)), news, calls: Arc::new(Notify::new()) }
    }

    /// Notes that dockerd has called.
    pub fn note_call(&self) {
        self.calls.notify_one();
    }

    /// Waits for a call of dockerd's.
    pub async fn called(&self) {
        self.calls.notified().await;
    }

    /// Has the engine do something.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&Engine) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let lost = |error: &dyn std::fmt::Display| Refusal::Lost(error.to_string());
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|error| lost(&error))?;
        let dirs = self.dirs.clone();
        let done = tokio::task::spawn_blocking(move || {
            // A caller that has gone does not let the next one in before this one is done.
            let _turn = turn;
            Engine::attempt(&dirs, work)
        });
        done.await.map_err(|error| lost(&error))?
    }

    /// Tells what has changed.
    pub fn tell(&self, news: News) {
        // Nobody listens any more: then nobody answers with old names either.
        let _ = self.news.send(news);
    }

    /// Tells that a container has changed, if one has.
    pub fn tell_of(&self, container: Option<Id>) {
        if let Some(container) = container {
            self.tell(News::Container(container));
        }
    }
}
