#!/bin/sh
# The S3 store: every folder of S3_FOLDER is a bucket, every object a file in it. Further arguments go to rclone.
set -eu
mkdir -p "$S3_FOLDER/ifrl"
export RCLONE_CONFIG=/dev/null
export RCLONE_AUTH_KEY="\"$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY\""
exec rclone serve s3 "$S3_FOLDER" --vfs-cache-mode off "$@"
