//! A line of models that may write one reply, and what is done when one can't: it is asked again, or the next one is. Only
//! before the first piece: what a customer has begun to read, nobody else ends.

use std::sync::{Arc, OnceLock};

use futures_util::{
    StreamExt,
    future::ready,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    kernel::vocabulary::FinishReason,
    llm::{
        ChatModel, Delta, ModelError, ModelRequest, Pace, Patience, Provider, Said, Usage, breaker::Breaker, call,
        failure::Standing, patiently,
    },
};

pub(super) type Pieces = BoxStream<'static, Result<Delta, ModelError>>;

/// Those who may write one reply, in order. Once one has begun to, it alone.
pub struct Line {
    pace: Pace,
    places: Vec<Place>,
    settled: OnceLock<usize>,
}

/// Somebody in it.
pub(super) struct Place {
    /// `None` for the built-in responder, which can't fail.
    pub(super) provider: Option<Provider>,
    /// Leaves it out while it is down, where it is asked as everybody's is: by the platform's key, for its own choice of
    /// model. What a tenant chose tells nothing of how others fare, and leaves nobody else out.
    pub(super) breaker: Option<Arc<Breaker>>,
    pub(super) model: Arc<dyn ChatModel>,
}

/// What becomes of a try to have a question answered by a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// It is asked, which may cost.
    Begun,
    /// It came to nothing, and costs nothing.
    Free,
    /// It came to nothing, and is owed: what the provider says, where it does.
    Owed(Option<Usage>),
}

/// Hears of tries as they begin and fail.
type Told<'a> = &'a (dyn Fn(Try) + Sync);

impl Line {
    pub(super) fn new(pace: Pace, places: Vec<Place>) -> Self {
        Self { pace, places, settled: OnceLock::new() }
    }

    /// The name of the model that writes, or of the one that would have.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.places.get(self.settled.get().copied().unwrap_or(0)).map(|place| place.model.name())
    }

    /// Whether a provider counts what is used; the built-in responder costs nothing.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.places.iter().any(|place| place.provider.is_some())
    }

    /// Begins a reply, or another round of one. `told` hears of each try at a provider as it begins, and of each that came to
    /// nothing before anything else is done; of the one that begins to answer, the pieces tell the rest.
    #[must_use]
    pub fn ask<'a>(
        self: &Arc<Self>,
        request: ModelRequest,
        patience: Patience,
        deadline: Instant,
        told: impl Fn(Try) + Send + Sync + 'a,
    ) -> BoxStream<'a, Result<Delta, ModelError>> {
        let line = self.clone();
        stream::once(async move {
            match line.open(&request, patience, deadline, &told).await {
                Ok(pieces) => pieces,
                Err(error) => stream::once(ready(Err(error))).boxed(),
            }
        })
        .flatten()
        .boxed()
    }

    /// The first who begins. If nobody does, what the first in line said counts.
    async fn open(
        &self,
        request: &ModelRequest,
        patience: Patience,
        deadline: Instant,
        told: Told<'_>,
    ) -> Result<Pieces, ModelError> {
        let settled = self.settled.get();
        let mut first = None;
        for (at, place) in self.places.iter().enumerate().filter(|(at, _)| settled.is_none_or(|only| only == at)) {
            match self.open_at(place, request, patience, deadline, told).await {
                Ok(pieces) => {
                    let _ = self.settled.set(at);
                    return Ok(pieces);
                }
                Err(error) => {
                    let is_hopeless = !error.is_elsewhere_better() || Instant::now() >= deadline;
                    first.get_or_insert(error);
                    if is_hopeless {
                        break;
                    }
                }
            }
        }
        Err(first.unwrap_or_else(ModelError::no_key))
    }

    /// The pieces of one model, with the first at hand; asked again as long as that makes sense.
    async fn open_at(
        &self,
        place: &Place,
        request: &ModelRequest,
        patience: Patience,
        deadline: Instant,
        told: Told<'_>,
    ) -> Result<Pieces, ModelError> {
        // The built-in responder costs nothing.
        let tell = |tried| {
            if place.provider.is_some() {
                told(tried);
            }
        };
        let breaker = place.breaker.as_ref();
        let mut tries = 0;
        loop {
            if breaker.is_some_and(|breaker| !breaker.admits()) {
                return Err(ModelError::unreachable("left out: it failed several times running"));
            }
            tell(Try::Begun);
            let mut pieces = call::watched(place.provider, place.model.name(), || {
                patiently(place.model.reply(request.clone(), patience), patience, deadline).boxed()
            });
            let (error, usage) = match pieces.next().await {
                Some(Ok(Delta::End { finish, usage })) if says_nothing(request, finish) => {
                    (ModelError::empty("an end, and no word before it"), usage)
                }
                Some(Ok(piece)) => {
                    if let Some(breaker) = breaker {
                        breaker.answered();
                    }
                    return Ok(stream::once(ready(Ok(piece))).chain(pieces).boxed());
                }
                Some(Err(error)) => (error, None),
                None => (ModelError::cut("no word at all"), None),
            };
            // Let go of before anything else: nobody may want it any more.
            drop(pieces);
            tell(if error.is_free() { Try::Free } else { Try::Owed(usage) });
            // Of a reply that ran out of its own time, the provider knows nothing.
            if let Some(breaker) = breaker.filter(|_| Instant::now() < deadline) {
                match error.standing {
                    Standing::Down => breaker.failed(),
                    Standing::Up => breaker.answered(),
                    Standing::Unsaid => {}
                }
            }
            tries += 1;
            tracing::warn!(model = place.model.name(), tries, cause = error.cause.as_str(), detail = %error.detail, "a model did not begin");
            let Some(wait) = self.pace.before_next(&error, tries) else { return Err(error) };
            if timeout_at(deadline, self.pace.sleep(wait)).await.is_err() {
                return Err(ModelError::late("no time was left for another try"));
            }
        }
    }
}

/// Whether an end without a word before it leaves the customer without any: nothing was said before the tools either. What
/// a filter holds back is nobody else's to say.
fn says_nothing(request: &ModelRequest, finish: FinishReason) -> bool {
    let mut own = request.turns.iter().rev().take_while(|turn| matches!(turn, Said::Called { .. } | Said::Results(_)));
    let has_spoken = own.any(|turn| matches!(turn, Said::Called { text, .. } if !text.is_empty()));
    !has_spoken && finish != FinishReason::ContentFilter
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Mutex, PoisonError},
    };

    use super::*;
    use crate::{
        kernel::{clock::Clock, vocabulary::ReplyFailure},
        llm::{Grounding, Sign},
    };

    type Reply = Vec<Result<Delta, ModelError>>;

    /// Replies by script.
    struct Scripted(Mutex<VecDeque<Reply>>);

    impl ChatModel for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn reply(&self, _: ModelRequest, _: Patience) -> BoxStream<'static, Result<Sign, ModelError>> {
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let pieces = next.expect("nobody asks more often").into_iter();
            stream::iter(pieces.map(|piece| piece.map(Sign::Piece))).boxed()
        }
    }

    /// Those of two providers.
    fn breakers() -> [Arc<Breaker>; 2] {
        let clock = Clock::held(chrono::DateTime::default());
        [(); 2].map(|()| Arc::new(Breaker::new(clock.clone())))
    }

    /// Two that are to reply so, one after the other.
    fn line(breakers: &[Arc<Breaker>; 2], scripts: [Vec<Reply>; 2]) -> Arc<Line> {
        let providers = [Provider::OpenAi, Provider::Gemini].into_iter().zip(breakers);
        let places = providers.zip(scripts).map(|((provider, breaker), script)| Place {
            provider: Some(provider),
            breaker: Some(breaker.clone()),
            model: Arc::new(Scripted(Mutex::new(script.into()))),
        });
        Arc::new(Line::new(Pace::new(|_| Box::pin(async {}), || 0.0), places.collect()))
    }

    fn said(text: &str) -> Reply {
        let end = Delta::End { finish: FinishReason::Stop, usage: None };
        vec![Ok(Delta::Text(text.to_owned())), Ok(end)]
    }

    /// What came of a question, and what was told of its tries.
    async fn asked(line: &Arc<Line>, turns: Vec<Said>) -> (Result<String, ReplyFailure>, Vec<Try>) {
        let request = ModelRequest {
            system: String::new(),
            turns,
            tools: Vec::new(),
            max_output: None,
            grounding: Grounding::default(),
        };
        let tries = Mutex::new(Vec::new());
        let told = |tried: Try| tries.lock().unwrap_or_else(PoisonError::into_inner).push(tried);
        let patience = Patience::default();
        let pieces = line.ask(request, patience, Instant::now() + patience.whole, told).collect::<Vec<_>>().await;
        let texts = pieces.into_iter().map(|piece| match piece {
            Ok(Delta::Text(text)) => Ok(text),
            Ok(_) => Ok(String::new()),
            Err(error) => Err(error.cause),
        });
        (texts.collect(), tries.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    #[tokio::test]
    async fn of_each_try_is_told_what_it_costs_before_the_next() {
        let breakers = breakers();
        let refused = || vec![Err(ModelError::refused(503, "", None))];
        let late = || vec![Err(ModelError::late("it took its time"))];
        let (free, owed) = ([Try::Begun, Try::Free], [Try::Begun, Try::Owed(None)]);
        // What one has worked on is owed, also where another one writes.
        let both = line(&breakers, [vec![refused(), late()], vec![refused(), said("Hi.")]]);
        let tries = [free.as_slice(), &owed, &free, &[Try::Begun]].concat();
        assert_eq!(asked(&both, Vec::new()).await, (Ok("Hi.".to_owned()), tries));
        let none = line(&breakers, [vec![refused(), refused(), refused()], vec![late()]]);
        let tries = [free, free, free, owed].concat();
        assert_eq!(asked(&none, Vec::new()).await, (Err(ReplyFailure::Unreachable), tries));
    }

    #[tokio::test]
    async fn who_says_nothing_is_asked_once_more_and_then_another_one_is() {
        let breakers = breakers();
        let usage = Some(Usage { prompt: 7, completion: 3 });
        let end = |finish| vec![Ok(Delta::End { finish, usage })];
        let silent = || end(FinishReason::Stop);
        let tries = |usage| [Try::Begun, Try::Owed(usage), Try::Begun, Try::Owed(usage), Try::Begun].to_vec();
        let both = line(&breakers, [vec![silent(), end(FinishReason::Length)], vec![said("Hi.")]]);
        assert_eq!(asked(&both, Vec::new()).await, (Ok("Hi.".to_owned()), tries(usage)));
        let both = line(&breakers, [vec![Vec::new(), Vec::new()], vec![said("Hi.")]]);
        assert_eq!(asked(&both, Vec::new()).await, (Ok("Hi.".to_owned()), tries(None)));
        let none = line(&breakers, [vec![silent(), silent()], vec![silent(), silent()]]);
        assert_eq!(asked(&none, Vec::new()).await.0, Err(ReplyFailure::EmptyAnswer));
        // A filter's end stands; so does one behind what was said before the tools, and of that alone.
        let filtered = line(&breakers, [vec![end(FinishReason::ContentFilter)], Vec::new()]);
        assert_eq!(asked(&filtered, Vec::new()).await, (Ok(String::new()), vec![Try::Begun]));
        let called =
            |text: &str| vec![Said::Called { text: text.to_owned(), calls: Vec::new() }, Said::Results(Vec::new())];
        let after = line(&breakers, [vec![silent()], Vec::new()]);
        assert_eq!(asked(&after, called("One moment.")).await, (Ok(String::new()), vec![Try::Begun]));
        let after = line(&breakers, [vec![silent(), said("Done.")], Vec::new()]);
        assert_eq!(asked(&after, called("")).await.0, Ok("Done.".to_owned()));
        let question = [called("One moment."), vec![Said::Customer("And?".to_owned())]].concat();
        let before = line(&breakers, [vec![silent(), said("Yes.")], Vec::new()]);
        assert_eq!(asked(&before, question).await.0, Ok("Yes.".to_owned()));
    }

    #[tokio::test]
    async fn who_breaks_off_five_times_running_is_left_out_and_who_talks_nonsense_is_not() {
        let breakers = breakers();
        for _ in 0..3 {
            let garbled = || vec![Err(ModelError::malformed("a call"))];
            let odd = || vec![Err(ModelError::odd("a reason"))];
            let line = line(&breakers, [vec![garbled(), garbled()], vec![odd(), odd()]]);
            assert_eq!(asked(&line, Vec::new()).await.1.len(), 8, "each twice");
        }
        let mut begun = Vec::new();
        for _ in 0..4 {
            let cut = || vec![Err(ModelError::cut("a reset"))];
            let line = line(&breakers, [vec![cut(), cut()], vec![said("Hi.")]]);
            begun.push(asked(&line, Vec::new()).await.1.len());
        }
        assert_eq!(begun, [5, 5, 3, 1]);
    }

    #[tokio::test]
    async fn one_that_was_alive_until_its_time_was_over_may_be_down_or_not() {
        let breakers = breakers();
        let begun =
            async |script: Vec<Reply>| asked(&line(&breakers, [script, vec![said("Hi.")]]), Vec::new()).await.1.len();
        let cut = || -> Reply { vec![Err(ModelError::cut("a reset"))] };
        for _ in 0..2 {
            assert_eq!(begun(vec![cut(), cut()]).await, 5);
            for _ in 0..5 {
                assert_eq!(begun(vec![vec![Err(ModelError::slow("thoughts"))]]).await, 3);
            }
        }
        assert_eq!((begun(vec![cut()]).await, begun(Vec::new()).await), (3, 1), "the fifth cut");
    }
}
