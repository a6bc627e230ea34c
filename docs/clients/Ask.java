// Ask the bot over RabbitMQ and print its reply.
//
//   java -cp 'lib/*' Ask.java 我想查询产品规格            lib/: amqp-client and slf4j-api
//   java -cp 'lib/*' Ask.java "the kettle" intent.return_policy       straight to an intent
//   REPLIES=queue java -cp 'lib/*' Ask.java "How do I return a kettle?"   the reply comes to a queue of our own
//
// AMQP_URL says where the broker is. Exit codes: 0 a reply, 1 an error reply, 69 no queue takes it, 75 no answer in time.
import com.rabbitmq.client.*;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.concurrent.*;

public class Ask {
    static final int WAIT = 30; // seconds

    record Answer(int exitCode, String text) {}

    public static void main(String[] arguments) throws Exception {
        String text = arguments[0], routingKey = arguments.length > 1 ? arguments[1] : "request";
        var factory = new ConnectionFactory();
        factory.setUri(System.getenv().getOrDefault("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f"));
        var answers = new LinkedBlockingQueue<Answer>();
        Answer answer;
        try (Connection connection = factory.newConnection()) {
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            String requestId = UUID.randomUUID().toString();
            boolean ownQueue = "queue".equals(System.getenv("REPLIES"));
            String replyTo = ownQueue ? channel.queueDeclare().getQueue() : "amq.rabbitmq.reply-to";

            // Direct reply-to has to be consumed without acks, and before the request is published on the same channel.
            channel.basicConsume(replyTo, true, new DefaultConsumer(channel) {
                @Override
                public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties reply, byte[] body) {
                    if (!requestId.equals(reply.getCorrelationId())) return; // it answers a question that we gave up
                    int code = "chat.error".equals(reply.getType()) ? 1 : 0;
                    answers.add(new Answer(code, new String(body, StandardCharsets.UTF_8)));
                }
            });
            channel.addReturnListener((code, words, exchange, key, properties, body) ->
                    answers.add(new Answer(69, "no queue takes the routing key '" + key + "'")));

            var properties = new AMQP.BasicProperties.Builder()
                    .contentType("text/plain; charset=utf-8") // the simplest request: the body is the text
                    .deliveryMode(2) // persistent
                    .messageId(requestId)
                    .correlationId(requestId)
                    .replyTo(replyTo)
                    .expiration(String.valueOf(WAIT * 1000)) // milliseconds; later, the answer is of no use to us
                    .build();
            boolean mandatory = true; // a routing key that nobody binds is an error here, and not a wait in vain
            channel.basicPublish("chatbot", routingKey, mandatory, properties, text.getBytes(StandardCharsets.UTF_8));
            channel.waitForConfirmsOrDie(WAIT * 1000L);
            answer = answers.poll(WAIT, TimeUnit.SECONDS);
        }
        if (answer == null) answer = new Answer(75, "no answer within " + WAIT + " s");
        var stream = answer.exitCode() == 0 ? System.out : System.err;
        new PrintStream(stream, true, StandardCharsets.UTF_8).println(answer.text());
        System.exit(answer.exitCode());
    }
}
