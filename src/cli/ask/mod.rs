//! `ask`: a client of the bot, on the command line.

pub(super) mod conversation;
mod lines;
mod stream;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use self::stream::Shown;
use super::{Exit, Failure, Format, answer, output, questions::QuestionArguments, setup, signals};
use crate::{
    amqp::{
        Names,
        client::{Answer, AskError, Client},
        connection::error::ConnectError,
    },
    app,
    config::types::BoundedDuration,
    domain::{Attachment, Part, Request, codec::Answered},
};

/// How long closing the connection in order may take.
const CLOSE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  chatbot-worker ask 我想查询产品规格
  chatbot-worker ask I want to return this kettle
  chatbot-worker ask --intent refund 'order 1234'          no classification: straight to an intent
  chatbot-worker ask --attach kettle.png what is this      a picture goes along; a recording needs no text
  chatbot-worker ask --stream write me a poem              as it is being written; Ctrl-C stops the answer
  chatbot-worker ask --format json 怎么退货 | jq .intent   the reply as it was received
  chatbot-worker ask                                       a conversation; Ctrl-D or Ctrl-C ends it
  chatbot-worker ask < questions.txt                       an answer a line

It is a client like any other: it knows the broker (CHATBOT_AMQP_URL) and the exchange
(CHATBOT_AMQP_EXCHANGE), and needs the right to write to that exchange, and no other.

Exit codes:
   0  a reply
   1  an error reply: the bot can't answer this; of several questions, one of them at least
  69  no broker, or no worker
  75  no answer in time
  77  the broker refuses the user
 130  a second Ctrl-C while an answer is stopped";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    question: QuestionArguments,
    /// How long to wait for each answer: 500ms, 10s, 5m
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    timeout: BoundedDuration<1, 3_600_000>,
    /// Show the answer as it is being written, where a language model writes it; Ctrl-C stops it, and a second one ends. Of
    /// questions that come from a pipe or a file, an answer is a line as ever
    #[arg(long)]
    stream: bool,
    /// How to print: text for people; json, each reply as it was received, on a line
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    format: Format,
}

/// Asks in the same way every time.
struct Asker<'a> {
    client: Client,
    arguments: &'a Arguments,
    /// Whether an answer is shown as it is being written.
    stream: bool,
    attachments: Vec<Attachment>,
}

impl Asker<'_> {
    /// Asks, and shows on the way what comes in parts; once `cancel` is told, what there is of the answer is the answer.
    async fn ask(&mut self, text: &str, shown: &Shown, cancel: &CancellationToken) -> Result<Answer, AskError> {
        let Arguments { question, timeout, format, .. } = self.arguments;
        let (text, attachments, stream) = (text.to_owned(), self.attachments.clone(), self.stream);
        let request = Request { text, locale: question.locale.clone(), attachments, stream, ..Request::default() };
        let hear = |part: Part| {
            // Where nobody reads any more, nobody pays for the rest.
            if !shown.add(&part, *format) {
                cancel.cancel();
            }
        };
        self.client.ask(&request, question.intent.as_ref(), timeout.get(), hear, cancel).await
    }

    /// Prints an answer for people, or as it was received.
    fn print(&self, answer: &Answer, shown: &Shown) -> Result<(), Failure> {
        match (self.arguments.format, &answer.answered) {
            (Format::Json, _) => output::print(&answer::json_line(&answer.body)),
            (Format::Text, Answered::Reply(reply)) => {
                let whole = answer::for_people(reply, answer.took);
                let (begins, rest) = shown.rest(&reply.text, &whole)?;
                output::print(&format!("{begins}{rest}"))
            }
            (Format::Text, Answered::Error(error)) => {
                output::tell(&answer::error_line(error));
                Ok(())
            }
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let attachments = arguments.question.attaching.read()?;
    let settings = setup::settings()?.settings;
    let broker = app::broker(&settings.amqp).map_err(|error| Failure::new(Exit::Config, error))?;
    let names = Names::new(settings.amqp.exchange.as_str()).map_err(|error| Failure::new(Exit::Config, error))?;
    let runtime = setup::runtime()?;
    let result = runtime.block_on(async {
        let client = Client::open(&broker, names).await.map_err(failure)?;
        let mut asker = Asker { client, arguments, stream: arguments.stream, attachments };
        let result = if arguments.question.is_there() {
            once(&mut asker).await
        } else if io::stdin().is_terminal() {
            conversation::run(&mut asker).await
        } else {
            lines::run(&mut asker).await
        };
        asker.client.close(CLOSE).await;
        result
    });
    // A read of standard input can't be taken back, and dropping the runtime would wait for it.
    runtime.shutdown_background();
    result
}

async fn once(asker: &mut Asker<'_>) -> Result<Exit, Failure> {
    let text = asker.arguments.question.text.join(" ");
    let (shown, cancel) = (Shown::default(), CancellationToken::new());
    if asker.arguments.stream {
        signals::watch(cancel.clone(), || output::tell("\nthe answer is being stopped\n"))?;
    }
    let answer = asker.ask(&text, &shown, &cancel).await.map_err(|error| {
        shown.end_line();
        failure(error)
    })?;
    asker.print(&answer, &shown)?;
    Ok(exit(&answer))
}

fn exit(answer: &Answer) -> Exit {
    match &answer.answered {
        Answered::Reply(_) => Exit::Ok,
        Answered::Error(_) => Exit::No,
    }
}

fn failure(error: AskError) -> Failure {
    let exit = match &error {
        AskError::Connect(ConnectError::Credentials { .. }) | AskError::Refused(_) => Exit::Refused,
        AskError::Connect(ConnectError::VirtualHost { .. } | ConnectError::Tls(_)) => Exit::Config,
        AskError::Timeout(_) | AskError::Blocked(_) => Exit::Timeout,
        AskError::Unreadable(_) => Exit::No,
        AskError::NoExchange(_)
        | AskError::NoQueue { .. }
        | AskError::NoWorker(_)
        | AskError::Returned { .. }
        | AskError::Nacked
        | AskError::Connect(ConnectError::Unreachable(_))
        | AskError::Lost(_) => Exit::Unavailable,
    };
    Failure::new(exit, error)
}
