//! Every limit of the data plane, by name. Those that a test or an operator may want shorter are settings whose
//! defaults these are.

/// Bytes of one request's body.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one request's body when it is unpacked.
pub const UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of an answer from which on it is packed for a client that takes it so: below, it fits one packet anyway.
pub const PACK_BYTES_MIN: usize = 1_024;
/// Bytes that are packed on the spot; more are left to a thread that may take its time.
pub const PACK_AT_ONCE_BYTES_MAX: usize = 64 * 1024;
/// Packed bytes that are unpacked on the spot: they may become a thousand times as many.
pub const UNPACK_AT_ONCE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a request's line and headers together.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Headers of one request.
/// That of clients' is `hyper`'s own, which costs less than the same number set by hand.
pub const HEADERS_MAX: usize = 100;
/// Time for a client to send a request's head, and for a connection to stay idle, in milliseconds.
pub const HEADER_READ_MS_MAX: u64 = 75_000;
/// Requests under way on one connection of HTTP/2.
pub const HTTP2_STREAMS_MAX: u32 = 256;
/// How often a connection of HTTP/2 is asked whether its client is still there, in milliseconds.
pub const HTTP2_PING_MS: u64 = 30_000;
/// Time for the answer to that, in milliseconds.
pub const HTTP2_PING_ANSWER_MS_MAX: u64 = 20_000;
/// Time for a client to shake hands over TLS, in milliseconds.
pub const TLS_HANDSHAKE_MS_MAX: u64 = 10_000;
/// How often it is looked whether the gateway's certificate has changed, in milliseconds; a connection must come for it.
pub const TLS_LOOK_MS: u64 = 1_000;
/// Time for a client to send a request's body, in milliseconds.
pub const BODY_READ_MS_MAX: u64 = 30_000;
/// Open connections; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Clients that watch over gRPC whether the gateway is ready; further ones are refused.
pub const WATCHERS_MAX: usize = 256;
/// How often it is looked for them whether that has changed, in milliseconds.
pub const WATCH_MS: u64 = 100;
/// Requests being answered; further ones are answered 429.
pub const REQUESTS_MAX: usize = 1_024;
/// Characters of a request identifier given by the client; longer ones are replaced.
pub const REQUEST_ID_CHARS_MAX: usize = 128;
/// Milliseconds of a day, over which a key's quota is counted.
pub const DAY_MS: i64 = 86_400_000;
/// Of the requests that are answered at a time, those of batch priority, in basis points: the rest is kept for interactive ones.
pub const BATCH_PLACES_BP: usize = 7_500;
/// Bearer tokens.
pub const TOKENS_MAX: usize = 64;
/// Labels in one feedback request.
pub const FEEDBACK_ITEMS_MAX: usize = 10_000;
/// Characters of a request identifier or of a label in feedback.
pub const FEEDBACK_CHARS_MAX: usize = 1_024;

/// Time for a worker's answer, in milliseconds.
pub const ANSWER_MS_MAX: u64 = 10_000;
/// Sequences that are under way at a time.
pub const SEQUENCES_MAX: usize = 65_536;
/// Sequences of one key.
pub const SEQUENCES_OF_KEY_MAX: usize = 16_384;
/// Characters of a sequence's identifier.
pub const SEQUENCE_ID_CHARS_MAX: usize = 128;
/// Bytes that are carried along one sequence.
pub const SEQUENCE_STATE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes that are carried along all of them.
pub const SEQUENCES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// How long a sequence may rest, in milliseconds.
pub const SEQUENCE_IDLE_MS: u64 = 600_000;
/// Time for the answer of a language model to a golden request, in milliseconds.
pub const GOLDEN_GENERATE_MS_MAX: u64 = 60_000;
/// Bytes of one piece of a stream.
pub const STREAM_PIECE_BYTES_MAX: usize = 1024 * 1024;
/// Longest time between two looks at the memory of a worker that nobody could replace, in milliseconds.
pub const MEMORY_LOOK_MS_MAX: u64 = 600_000;
/// Pieces of a stream that wait for their client; then its server waits.
pub const STREAM_PIECES_MAX: usize = 64;
/// Longest that a client may take for the next piece of its stream, in milliseconds; then it is given up.
pub const STREAM_CLIENT_MS_MAX: u64 = 30_000;
/// Time for the first token of an answer that comes as a stream, in milliseconds.
pub const FIRST_TOKEN_MS_MAX: u64 = 30_000;
/// Time from one piece of a stream to the next, in milliseconds.
pub const STREAM_IDLE_MS_MAX: u64 = 30_000;
/// Time for a whole answer of a language model, in milliseconds.
pub const GENERATE_MS_MAX: u64 = 600_000;
/// Requests waiting in one worker; further ones are not sent to it.
pub const WORKER_QUEUE_MAX: usize = 256;
/// Longest that a request waits for its turn in one target, in milliseconds; one that would wait longer is refused at once.
pub const QUEUE_MS_MAX: u64 = 2_000;
/// Work that is handed to a worker ahead of its answers, in microseconds: what waits behind it can still be overtaken.
pub const WORKER_AHEAD_US: u64 = 2_000;
/// Requests that are handed to a worker ahead of its answers, at least.
pub const WORKER_AHEAD_MIN: usize = 2;
/// Of the requests that a worker is handed while both kinds wait, each one in so many is of batch priority.
pub const BATCH_TURN: u64 = 10;
/// Time that a version may take on the gateway's own threads, in microseconds; a slower one gets threads of its own.
pub const IN_PLACE_US_MAX: u64 = 1_000;
/// Bytes of a request that is answered there.
pub const IN_PLACE_BYTES_MAX: usize = 32 * 1024;
/// Requests that one call of a model answers together, at most.
pub const BATCH_REQUESTS_MAX: usize = 256;
/// Rows that one call of a model answers together, at most; a single request may have more.
pub const BATCH_ROWS_MAX: usize = 4_096;
/// Time that is spent on the reasons for one answer where the request says nothing, in milliseconds.
pub const EXPLAIN_MS: u64 = 200;
/// Time that a request may ask for, in milliseconds.
pub const EXPLAIN_MS_MAX: u64 = 5_000;
/// Bytes of one frame between gateway and worker.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes waiting to be written to one worker.
pub const WORKER_BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time for a worker to load its version and answer its golden requests, in milliseconds.
pub const START_MS_MAX: u64 = 120_000;
/// How often the memory of a worker is looked at that has a limit, in milliseconds.
pub const MEMORY_LOOK_MS: u64 = 5_000;
/// How long a worker that another one has replaced is asked by nobody before it is ended, in milliseconds.
pub const REPLACED_IDLE_MS: u64 = 100;
/// A worker that owes answers and gives none for this long is killed, in milliseconds.
pub const STALL_MS_MAX: u64 = 30_000;
/// Time for requests in flight when a target is unloaded, in milliseconds.
pub const UNLOAD_MS_MAX: u64 = 15_000;
/// Time for a worker to end by itself when its connection is closed, in milliseconds.
pub const EXIT_MS_MAX: u64 = 2_000;
/// Time for the last words of a worker that has ended to be read, in milliseconds.
pub const LAST_WORDS_MS_MAX: u64 = 500;
/// First wait before a dead worker is started again, in milliseconds; it doubles with each death in the window.
pub const RESTART_MS_MIN: u64 = 50;
/// Longest wait before a dead worker is started again, in milliseconds.
pub const RESTART_MS_MAX: u64 = 5_000;
/// Deaths within [`CRASH_WINDOW_MS`] after which a target has failed and is not started again.
pub const CRASHES_MAX: usize = 8;
/// The window of [`CRASHES_MAX`], in milliseconds.
pub const CRASH_WINDOW_MS: u64 = 60_000;
/// Targets in a pool.
pub const WORKERS_MAX: usize = 64;
/// Lines of a worker's output kept for the message when it dies.
pub const WORKER_LINES_MAX: usize = 8;
/// Characters of one such line.
pub const WORKER_LINE_CHARS_MAX: usize = 400;
/// Pool events waiting for the control plane; when full, further ones are dropped and the state tells.
pub const POOL_EVENTS_MAX: usize = 1_024;

/// Sizes of batches that statistics keep apart for one target; further ones count in the sums alone.
pub const BATCH_SIZES_MAX: usize = 64;

/// Whose failures a breaker counts, in milliseconds back.
pub const BREAKER_WINDOW_MS: u64 = 10_000;
/// Answers in the window before which a breaker says nothing.
pub const BREAKER_REQUESTS_MIN: u64 = 20;
/// The share of failures from which a breaker opens, in basis points.
pub const BREAKER_FAILURES_BP: u64 = 5_000;
/// How long a breaker is open the first time, in milliseconds; it doubles with each opening in a row.
pub const BREAKER_OPEN_MS: u64 = 5_000;
/// The longest that a breaker is open before it lets one request through, in milliseconds.
pub const BREAKER_OPEN_MS_MAX: u64 = 60_000;
/// Good answers in a row that close a breaker.
pub const BREAKER_PROBES: u32 = 3;
/// What is told to wait while a breaker's one request is under way, in milliseconds.
pub const BREAKER_PROBE_WAIT_MS: u64 = 1_000;

/// Requests waiting to be mirrored; when full, further ones are dropped and counted.
pub const MIRROR_QUEUE_MAX: usize = 256;
/// Mirrored requests being answered at the same time.
pub const MIRROR_ACTIVE_MAX: usize = 32;
/// Pairs waiting for the control plane; when full, further ones are dropped and counted.
pub const PAIRS_MAX: usize = 65_536;
/// Prediction records waiting for the lake; when full, further ones are dropped and counted.
pub const RECORDS_MAX: usize = 65_536;
/// Labels waiting for the lake; when full, feedback is refused with 503.
pub const FEEDBACK_MAX: usize = 65_536;

/// While draining: time in which the gateway still accepts and says `connection: close`, in milliseconds.
pub const DRAIN_ANNOUNCE_MS: u64 = 500;
/// While draining: time for open connections to send their last request, in milliseconds.
pub const DRAIN_LINGER_MS: u64 = 1_000;
/// While draining: time for requests in flight, in milliseconds.
pub const DRAIN_FINISH_MS: u64 = 30_000;
/// What `retry-after` says, in seconds.
pub const RETRY_AFTER_S: &str = "1";

/// Bytes of answers that are kept to be given again; the least used ones go first.
pub const CACHE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of one answer that is kept; longer ones are not.
pub const CACHE_ENTRY_BYTES_MAX: usize = 1024 * 1024;

/// Servers of one upstream.
pub const REPLICAS_MAX: usize = 64;
/// Ports of the loopback that servers which the gateway starts listen on: below those that the system gives to outgoing connections, which
/// could take one while its server is started again.
pub const CHILD_PORTS: std::ops::RangeInclusive<u16> = 20_000..=32_767;
/// Time for a server that the gateway starts to be ready, in milliseconds.
pub const CHILD_READY_MS_MAX: u64 = 60_000;
/// Time for one to end by itself before it is killed, in milliseconds.
pub const CHILD_STOP_MS_MAX: u64 = 10_000;
/// Bytes of the file with what the servers of one upstream say, before it is put aside; one that was is kept.
pub const CHILD_LOG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Times that one is started again, without having been well for [`CRASH_WINDOW_MS`] in between.
pub const CHILD_RESTARTS_MAX: u32 = 8;
/// Requests that one server answers at a time; further ones go to others, and where there is none are answered 429.
pub const REPLICA_REQUESTS_MAX: usize = 256;
/// Servers that one request is sent to at most, one after the other.
pub const REPLICA_ATTEMPTS_MAX: usize = 3;
/// Connections to one server that are kept open between requests.
pub const REPLICA_CONNECTIONS_KEPT_MAX: usize = 64;
/// Failures in a row after which a server is left out for a time.
pub const REPLICA_FAILURES_IN_A_ROW: u32 = 5;
/// Time to connect to a server, in milliseconds.
pub const CONNECT_MS_MAX: u64 = 1_000;
/// How often a server is asked whether it is there, in milliseconds.
pub const PROBE_MS: u64 = 500;
/// Time for the answer to that, in milliseconds.
pub const PROBE_MS_MAX: u64 = 750;
/// Probes missed in a row after which a server is left out.
pub const PROBES_MISSED_MAX: u32 = 2;
/// How often a server answers a golden request, in milliseconds.
pub const GOLDEN_MS: u64 = 5_000;
/// Time for the answer to that, in milliseconds.
pub const GOLDEN_MS_MAX: u64 = 5_000;
/// Of all requests of the last seconds, the share that may be asked once more, in basis points.
pub const RETRY_BUDGET_BP: u64 = 2_000;
/// Requests that may be asked once more besides, each second.
pub const RETRIES_A_SECOND: u64 = 10;
/// The seconds that this is counted over.
pub const RETRY_WINDOW_S: u64 = 10;
