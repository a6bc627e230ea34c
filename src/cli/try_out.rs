//! `try`: the whole bot without a broker, as its author tries it all day.

use std::{
    io::{self, IsTerminal},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{signal::ctrl_c, time::Instant};

use super::{
    Exit, Failure, Format, answer,
    ask::conversation,
    output,
    questions::{QuestionArguments, Questions},
    setup,
    training::Terminal,
};
use crate::{
    app,
    conversation::State,
    domain::{
        Attachment, ErrorCode, ErrorReply, IntentName, MessageError, Outcome, Reply, Request, Role, Turn,
        codec::{encode_error, encode_reply},
    },
    eval::dialogues::RELEASE,
    pipeline::{Job, Pipeline, Stage, Turned},
    telemetry,
};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker try 我想查询产品规格
  chatbot-worker try how long do I have to return a kettle
  chatbot-worker try --intent refund 'order 1234'       no classification: straight to an intent
  chatbot-worker try --attach kettle.png what is this   a picture goes along; a recording needs no text
  chatbot-worker try --format json 怎么退货 | jq .sources   the reply as a client would get it
  chatbot-worker try                                    a conversation; Ctrl-D or Ctrl-C ends it
  chatbot-worker try < questions.txt                    an answer a line, of each line by itself
  CHATBOT_INTENTS_PATH=my-bot.toml chatbot-worker try   with a bot of your own

Models, documents and services are those of the worker, and so are their settings; services are asked, and cost what
they cost. In a conversation each question goes along with what was said before; a bot with a table [conversation]
remembers it itself, and the line below an answer says what is asked. It takes a terminal: of a pipe or a file each line is a
question of its own, which begins anew. Conversations of a file are held by `chatbot-worker eval --dialogues`.

Exit codes:
   0  an answer
   1  an error reply: the bot can't answer this; of several questions, one of them at least
  65  standard input isn't UTF-8
  78  the settings or the intents file are wrong; all that is wrong is told at once";

/// What is told of a bot that asks, where its questions come from a pipe or a file.
const LINES: &str = "\
Each line is a question of its own, as if it were the first; for conversations use a terminal, or eval --dialogues.
每行都是单独的问题，互不相关；对话请在终端里进行，或用 eval --dialogues。
";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    question: QuestionArguments,
    /// How to print: text for people; json, each reply as a client would get it, on a line
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    format: Format,
}

/// What the bot made of a question.
enum Tried {
    Reply(Box<Reply>),
    Error(MessageError),
    /// It is another program's to answer.
    External(IntentName),
    /// It is a person's.
    Person(IntentName),
}

/// A bot that is tried.
struct Bot<'a> {
    pipeline: Pipeline,
    arguments: &'a Arguments,
    attachments: Vec<Attachment>,
    /// What was said so far, to a bot that has no conversations.
    history: Vec<Turn>,
    /// The conversation so far, and how many turns it has had.
    state: State,
    turns: u64,
    /// Whether a conversation is held, at a terminal.
    is_held: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let attachments = arguments.question.attaching.read()?;
    let settings = setup::settings()?.settings;
    // Why a service didn't answer, where something else stands in for it.
    telemetry::start_log("off,chatbot_worker::outbound=warn,chatbot_worker::handler=warn", telemetry::Format::Text);
    let checked = setup::intents(&settings)?;
    for warning in &checked.warnings {
        output::tell(&format!("{warning}\n"));
    }
    let runtime = setup::runtime()?;
    let terminal = Terminal::new();
    let failure = |error: &dyn std::fmt::Display| Failure::new(Exit::Config, error);
    let _entered = runtime.enter();
    let model = app::model(&settings, &checked.file, &terminal).map_err(|error| failure(&error))?;
    if let Some(fault) = terminal.fault() {
        output::tell(&format!("{fault}\n"));
    }
    let pipeline = app::pipeline(&settings, &checked.file, model).map_err(|error| failure(&error))?;
    if let Some(intent) = arguments.question.intent.as_ref().filter(|intent| !pipeline.routes().contains_key(*intent)) {
        return Err(Failure::new(Exit::Usage, format!("the bot has no intent '{intent}'")));
    }
    let (history, state) = (Vec::new(), State::default());
    let mut bot = Bot { pipeline, arguments, attachments, history, state, turns: 0, is_held: false };
    let result = runtime.block_on(async {
        for failed in bot.pipeline.prepare_once().await {
            output::tell(&format!("{failed}\n"));
        }
        if arguments.question.is_there() {
            return bot.show(&arguments.question.text.join(" ")).await;
        }
        if io::stdin().is_terminal() { bot.conversation().await } else { bot.lines().await }
    });
    // A read of standard input can't be taken back, and dropping the runtime would wait for it.
    runtime.shutdown_background();
    result
}

impl Bot<'_> {
    async fn conversation(&mut self) -> Result<Exit, Failure> {
        output::tell(conversation::GREETING);
        self.is_held = true;
        let mut questions = Questions::new();
        let mut interrupted = pin!(ctrl_c());
        loop {
            output::tell(conversation::PROMPT);
            let question = tokio::select! {
                question = questions.next() => question?,
                _ = &mut interrupted => None,
            };
            let Some(question) = question else { break };
            tokio::select! {
                shown = self.show(&question) => { shown?; }
                _ = &mut interrupted => break,
            }
        }
        // The shell's prompt begins on a line of its own.
        output::tell("\n");
        Ok(Exit::Ok)
    }

    async fn lines(&mut self) -> Result<Exit, Failure> {
        if self.arguments.format == Format::Text && self.pipeline.dialogue().is_some() {
            output::tell(LINES);
        }
        let mut questions = Questions::new();
        let mut worst = Exit::Ok;
        while let Some(question) = questions.next().await? {
            // Each is a question of its own.
            self.history.clear();
            (self.state, self.turns) = (State::default(), 0);
            if self.show(&question).await? != Exit::Ok {
                worst = Exit::No;
            }
        }
        Ok(worst)
    }

    /// Asks, and shows the answer.
    async fn show(&mut self, text: &str) -> Result<Exit, Failure> {
        if self.state.person && text.trim() == RELEASE {
            self.state.release();
            output::tell("the bot has the conversation again\n");
            return Ok(Exit::Ok);
        }
        let request = Request {
            text: text.to_owned(),
            locale: self.arguments.question.locale.clone(),
            history: self.history.clone(),
            attachments: self.attachments.clone(),
            ..Request::default()
        };
        let asked = Instant::now();
        let tried = self.ask(request).await;
        let took = asked.elapsed();
        match &tried {
            Tried::Reply(reply) => {
                output::print(&self.shown(reply, took))?;
                let said = [(Role::User, text), (Role::Assistant, &reply.text)];
                self.history.extend(said.map(|(role, text)| Turn { role, text: text.to_owned() }));
                return Ok(Exit::Ok);
            }
            Tried::External(intent) => {
                output::tell(&format!("intent {intent}: another program answers it, from the intent's queue\n"));
                return Ok(Exit::Ok);
            }
            Tried::Person(intent) => {
                let back = if self.is_held { format!("; {RELEASE} gives it back") } else { String::new() };
                output::tell(&format!("intent {intent}: a person has the conversation{back}\n"));
                return Ok(Exit::Ok);
            }
            Tried::Error(error) => {
                let id = uuid::Uuid::now_v7().to_string();
                let reply = ErrorReply { id, in_reply_to: None, error: error.clone() };
                match self.arguments.format {
                    Format::Json => output::print(&answer::json_line(&encode_error(&reply)))?,
                    Format::Text => output::tell(&answer::error_line(&reply)),
                }
            }
        }
        Ok(Exit::No)
    }

    fn shown(&self, reply: &Reply, took: Duration) -> String {
        match self.arguments.format {
            Format::Json => answer::json_line(&encode_reply(reply)),
            Format::Text => answer::for_people(reply, took),
        }
    }

    /// What a worker would answer. What it would hand from queue to queue is gone through here at once.
    async fn ask(&mut self, request: Request) -> Tried {
        let stage = match &self.arguments.question.intent {
            Some(intent) => Stage::Handle { intent: intent.clone(), classification: None },
            None => Stage::Classify,
        };
        let mut job = Job { stage, ..Job::new(request) };
        if self.pipeline.dialogue().is_some_and(|dialogue| dialogue.remembers) {
            return self.turn(&job).await;
        }
        /// From the requests' queue to an intent's, and from there to the fallback's.
        const HOPS: usize = 3;
        for _ in 0..HOPS {
            match self.pipeline.run(&job).await.0 {
                Outcome::Reply(reply) => return Tried::Reply(Box::new((*reply).clone())),
                Outcome::Forward { intent, classification, slots: _ } => {
                    if self.pipeline.routes().get(&intent).is_some_and(|route| route.external) {
                        return Tried::External(intent);
                    }
                    job.stage = Stage::Handle { intent, classification };
                }
                Outcome::Retry { error, .. } => return Tried::Error(error),
                Outcome::DeadLetter(letter) => {
                    let code = letter.reason.error_code().unwrap_or(ErrorCode::Internal);
                    return Tried::Error(MessageError::new(code, letter.message));
                }
                Outcome::Person(_) | Outcome::Speak { .. } | Outcome::Done(_) => break,
                Outcome::Relay(_) | Outcome::Suspect | Outcome::Drop => break,
            }
        }
        Tried::Error(MessageError::new(ErrorCode::Internal, "it is handed from queue to queue and never answered"))
    }

    /// A turn of the conversation; one that fails hasn't happened.
    async fn turn(&mut self, job: &Job) -> Tried {
        match self.pipeline.turn(job, self.state.clone(), self.turns + 1).await {
            Err(error) => Tried::Error(error),
            Ok((turned, state)) => {
                self.state = state;
                self.turns += 1;
                match turned {
                    Turned::Person(handover) => Tried::Person(handover.intent),
                    Turned::Outcome(Outcome::Reply(reply)) => Tried::Reply(Box::new(Arc::unwrap_or_clone(reply))),
                    Turned::Outcome(Outcome::Forward { intent, .. }) => Tried::External(intent),
                    // A turn ends in no other way.
                    Turned::Outcome(_) => {
                        Tried::Error(MessageError::new(ErrorCode::Internal, "the turn has no answer"))
                    }
                }
            }
        }
    }
}
