#!/bin/sh
# Ask the bot over RabbitMQ and print its reply, with Debian's amqp-tools (apt-get install amqp-tools).
#
#   sh ask.sh 我想查询产品规格
#   sh ask.sh "the kettle" intent.return_policy      straight to an intent
#
# AMQP_URL says where the broker is. amqp-publish can set neither a correlation id nor a message id, nor `mandatory`: so
# each question has a reply queue of its own, and a routing key that nobody binds is a wait in vain.
set -eu
url=${AMQP_URL:-amqp://guest:guest@127.0.0.1:5672/%2f}
queue=ask-sh-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')

amqp-declare-queue --url="$url" --queue="$queue" --durable >/dev/null
trap 'amqp-delete-queue --url="$url" --queue="$queue" >/dev/null' EXIT
amqp-publish --url="$url" --exchange=chatbot --routing-key="${2:-request}" --persistent \
    --content-type='text/plain; charset=utf-8' --reply-to="$queue" --body="$1"
timeout 30 amqp-consume --url="$url" --queue="$queue" --count=1 cat
echo
