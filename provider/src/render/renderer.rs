//! Rendering for many mounts: PFX files are opened a few at a time, and each once.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;
use vaultbind_keyvault::{Fetched, Sensitive};
use vaultbind_render::{Error, Opened, Opening};

use super::memo::Memo;
use super::places::{NoResult, Places};
use super::{RenderError, RenderOptions, Rendered, render_with, to_open};
use crate::request::Object;

/// Renders the objects of mounts.
#[derive(Debug)]
pub struct Renderer {
    options: RenderOptions,
    memo: Arc<Memo>,
    places: Places,
}

/// Why the objects of a mount were not rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderFailure {
    /// An object cannot become files.
    Object {
        /// Its position.
        index: usize,
        /// Why.
        error: RenderError,
    },
    /// The mount's time was over before its PFX files were open.
    Deadline,
    /// The runtime went away under the mount.
    Stopped,
}

impl Renderer {
    /// Renders with these options. PFX files are opened `at_once` at a time.
    pub fn new(options: RenderOptions, at_once: usize) -> Self {
        Self {
            options,
            memo: Arc::default(),
            places: Places::new(at_once),
        }
    }

    /// Renders what was fetched for the objects, in their order.
    ///
    /// Opening a PFX can cost as much computing as its author likes, up to a limit. So it is done
    /// where it holds nobody else up, and stops after the file in hand when the caller goes away.
    ///
    /// # Errors
    /// The first object in order that cannot become files, or that `deadline` came first.
    pub async fn render<F: Borrow<Fetched>>(
        &self,
        objects: &[Object],
        fetched: &[F],
        deadline: Instant,
    ) -> Result<Vec<Rendered>, RenderFailure> {
        let render = self.render_within(objects, fetched, deadline);
        render.instrument(tracing::debug_span!("render")).await
    }

    async fn render_within<F: Borrow<Fetched>>(
        &self,
        objects: &[Object],
        fetched: &[F],
        deadline: Instant,
    ) -> Result<Vec<Rendered>, RenderFailure> {
        let mut opened: Vec<Option<Result<Opened, Error>>> = Vec::new();
        let mut cold: Vec<(usize, Sensitive, Opening)> = Vec::new();
        for (index, (object, fetched)) in objects.iter().zip(fetched).enumerate() {
            let closed = to_open(object, fetched.borrow(), self.options);
            let known = closed.and_then(|(value, how)| self.memo.get(value.expose(), how));
            if let (Some((value, how)), None) = (closed, &known) {
                cold.push((index, value.clone(), how));
            }
            opened.push(known);
        }
        if !cold.is_empty() {
            for (index, outcome) in self.open(cold, deadline).await? {
                if let Some(place) = opened.get_mut(index) {
                    *place = Some(outcome);
                }
            }
        }
        let pairs = objects.iter().zip(fetched);
        pairs
            .zip(opened)
            .enumerate()
            .map(|(index, ((object, fetched), opened))| {
                let open = |value: &Sensitive, how: Opening| {
                    opened.unwrap_or_else(|| how.open(value.expose()))
                };
                render_with(object, fetched.borrow(), self.options, open)
                    .map_err(|error| RenderFailure::Object { index, error })
            })
            .collect()
    }

    async fn open(
        &self,
        cold: Vec<(usize, Sensitive, Opening)>,
        deadline: Instant,
    ) -> Result<Vec<(usize, Result<Opened, Error>)>, RenderFailure> {
        let memo = Arc::clone(&self.memo);
        let caller = Arc::new(());
        let wanted = Arc::downgrade(&caller);
        let work = move || {
            cold.into_iter()
                .take_while(|_| wanted.strong_count() > 0)
                .map(|(index, value, how)| {
                    let value = value.expose();
                    (index, memo.get_or_open(value, how, || how.open(value)))
                })
                .collect()
        };
        let opened = self.places.run(deadline, work).await;
        drop(caller);
        opened.map_err(|reason| match reason {
            NoResult::Deadline => RenderFailure::Deadline,
            NoResult::Stopped => RenderFailure::Stopped,
        })
    }
}
