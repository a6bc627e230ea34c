//! The batcher, on paused time.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;

const WAIT: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_secs(2);

/// The texts of each request.
type Requests = Arc<Mutex<Vec<Vec<String>>>>;

/// A service that says of each text how long it is, after two seconds. It refuses `bad`, miscounts `many`, and
/// panics at `panic`.
struct Lengths {
    name: Arc<str>,
    asked: Requests,
}

#[async_trait]
impl Batched for Lengths {
    type Out = usize;

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    async fn send(&self, texts: &[String], deadline: Instant) -> Result<Vec<usize>, ModelError> {
        self.asked.lock().unwrap().push(texts.to_vec());
        let holds = |word: &str| texts.iter().any(|text| text == word);
        timeout_at(deadline, sleep(SLOW)).await.map_err(|_| ModelError::new(&self.name, Failure::Timeout, "late"))?;
        assert!(!holds("panic"), "as the test wants it");
        if holds("bad") {
            return Err(ModelError::new(&self.name, Failure::Refused, "400"));
        }
        if holds("down") {
            return Err(ModelError::new(&self.name, Failure::Server, "500"));
        }
        let one_more = holds("many").then_some(0);
        Ok(texts.iter().map(String::len).chain(one_more).collect())
    }
}

fn batcher(most: u16) -> (Batcher<Lengths>, Requests) {
    let asked = Arc::default();
    let service = Lengths { name: "x".into(), asked: Arc::clone(&asked) };
    (Batcher::new(service, NonZeroU16::new(most).unwrap(), WAIT), asked)
}

async fn all(batcher: &Batcher<Lengths>, texts: &[&str]) -> Vec<Result<usize, Failure>> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let answers = texts.iter().map(|&text| batcher.ask(text.to_owned(), deadline));
    join_all(answers).await.into_iter().map(|answer| answer.map_err(|error| error.failure)).collect()
}

fn sizes(asked: &Mutex<Vec<Vec<String>>>) -> Vec<usize> {
    asked.lock().unwrap().iter().map(Vec::len).collect()
}

#[tokio::test(start_paused = true)]
async fn texts_of_about_the_same_time_share_requests_up_to_the_most() {
    let (batcher, asked) = batcher(3);
    let started = Instant::now();
    assert_eq!(all(&batcher, &["a", "bb", "ccc", "dddd"]).await, [Ok(1), Ok(2), Ok(3), Ok(4)]);
    assert_eq!(sizes(&asked), [3, 1], "a full one goes at once, the rest after its wait");
    assert_eq!(started.elapsed(), WAIT + SLOW, "beside each other");
    assert_eq!(all(&batcher, &["a"]).await, [Ok(1)]);
    assert_eq!(sizes(&asked), [3, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_refused_fails_alone_and_a_service_that_fails_fails_all() {
    let (batcher, asked) = batcher(3);
    assert_eq!(all(&batcher, &["a", "bad", "ccc"]).await, [Ok(1), Err(Failure::Refused), Ok(3)]);
    assert_eq!(sizes(&asked), [3, 1, 1, 1]);
    assert_eq!(all(&batcher, &["many", "a"]).await, [Err(Failure::BadAnswer), Ok(1)]);
    asked.lock().unwrap().clear();
    assert_eq!(all(&batcher, &["down", "a"]).await, [Err(Failure::Server); 2]);
    assert_eq!(all(&batcher, &["bad"]).await, [Err(Failure::Refused)]);
    assert_eq!(sizes(&asked), [2, 1], "neither is asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_text_that_can_wait_no_longer_leaves_and_the_others_get_their_answers() {
    let (batcher, asked) = batcher(8);
    let started = Instant::now();
    let soon = async {
        let answer = batcher.ask("soon".to_owned(), started + SLOW / 2).await;
        assert_eq!(started.elapsed(), SLOW / 2);
        answer
    };
    let (soon, gone, late) = tokio::join!(
        soon,
        tokio::time::timeout(SLOW / 4, batcher.ask("gone".to_owned(), started + SLOW * 2)),
        batcher.ask("late".to_owned(), started + SLOW * 2),
    );
    assert_eq!((soon.unwrap_err().failure, gone.is_err(), late.unwrap()), (Failure::OutOfTime, true, 4));
    assert_eq!(sizes(&asked), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_nobody_waits_for_is_not_sent() {
    let (batcher, asked) = batcher(8);
    let started = Instant::now();
    let (gone, late) = tokio::join!(
        tokio::time::timeout(WAIT / 2, batcher.ask("gone".to_owned(), started + SLOW * 2)),
        batcher.ask("late".to_owned(), started + SLOW * 2),
    );
    assert!(gone.is_err());
    assert_eq!(late.unwrap(), 4);
    assert_eq!(*asked.lock().unwrap(), [["late"]]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_the_texts_that_shared_its_request() {
    let (batcher, _) = batcher(8);
    assert_eq!(all(&batcher, &["panic", "a"]).await, [Err(Failure::Internal); 2]);
    assert_eq!(all(&batcher, &["a"]).await, [Ok(1)]);
}

#[tokio::test(start_paused = true)]
async fn its_requests_end_with_it() {
    let (batcher, asked) = batcher(1);
    let left = tokio::time::timeout(WAIT, batcher.ask("a".to_owned(), Instant::now() + SLOW * 2)).await;
    assert!(left.is_err());
    let held = Arc::clone(&batcher.shared);
    drop(batcher);
    tokio::time::sleep(WAIT).await;
    assert_eq!((Arc::strong_count(&held), sizes(&asked)), (1, vec![1]), "no task holds it");
}
