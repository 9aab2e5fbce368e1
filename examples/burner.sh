#!/bin/sh
# A job in the background: uses two cores for five seconds, rests for five, and so on until it is killed.
trap 'kill $(jobs -p) 2> /dev/null; exit' TERM INT
while :; do
    timeout 5 sh -c 'while :; do :; done' &
    timeout 5 sh -c 'while :; do :; done' &
    wait
    sleep 5 &
    wait
done
