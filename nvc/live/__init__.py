"""Live calls: RTP packets, a jitter buffer, a sender and a receiver that know no socket and no clock of their own."""
