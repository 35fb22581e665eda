"""What text is read from and shown as: lines of files, the answer in a response, URLs without their passwords."""
