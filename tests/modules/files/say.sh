#!/bin/sh
echo "$@"
touch /root/commands-script
