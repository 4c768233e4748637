// Writes down a recording of any length with the server's own protocol, each segment as soon as it is ready; or speech
// while it is spoken: 16-bit mono samples of 16 kHz on standard input.
//
//   npm install @grpc/grpc-js @grpc/proto-loader
//   node transcribe.js HOST:50051 recording.mp3 [--language ko] [--ca ca.pem --token-file token]
//   arecord -q -t raw -f S16_LE -r 16000 | node transcribe.js HOST:50051 --live
//
// It reads the proto as it is; --proto says which folder has whisper/v1/transcription.proto.
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = 'whisper/v1/transcription.proto';
const CHUNK_BYTES = 256 * 1024;

const WHAT_TO_DO = {
  [grpc.status.UNAVAILABLE]: 'Is a server running there, and has it loaded its model? Does it want TLS (--tls)?',
  [grpc.status.DEADLINE_EXCEEDED]: 'Raise --timeout, or try again when the server is there and has less to do.',
  [grpc.status.RESOURCE_EXHAUSTED]: 'If the server is busy, try again later; if the file is too large, send less.',
  [grpc.status.UNAUTHENTICATED]: 'Give a token that the server knows, with --token-file.',
};

// What gRPC does by itself: use all servers in turn, and try again while one is away or busy.
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [{
    name: [{}],
    retryPolicy: {
      maxAttempts: 5, initialBackoff: '1s', maxBackoff: '10s', backoffMultiplier: 2,
      retryableStatusCodes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'],
    },
  }],
};

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      language: { type: 'string', default: '' }, // such as en or ko; left out to be detected
      live: { type: 'boolean' },
      timeout: { type: 'string', default: '3600' }, // seconds for a recording, tries included
      tls: { type: 'boolean' },
      ca: { type: 'string' }, // PEM file of the authority of the server's certificate; speaks TLS
      'token-file': { type: 'string' }, // file of the token that the server asks for; needs TLS
      proto: { type: 'string', default: fileURLToPath(new URL('../../../server/proto', import.meta.url)) },
    },
  });
  if (positionals.length !== (values.live ? 1 : 2)) {
    throw new Error('usage: node transcribe.js HOST:PORT RECORDING, or node transcribe.js HOST:PORT --live');
  }
  return { ...values, server: positionals[0], recording: positionals[1] };
}

function connect({ server, tls, ca, 'token-file': tokenFile, proto }) {
  if (!existsSync(join(proto, PROTO))) {
    throw new Error(`${join(proto, PROTO)} is not there: say with --proto which folder has ${PROTO}`);
  }
  const definition = loadSync(PROTO, {
    includeDirs: [proto], keepCase: true, defaults: true, // Numbers that are 0 and empty lists are there, too.
  });
  const { Transcription } = grpc.loadPackageDefinition(definition).whisper.v1;
  return new Transcription(server, credentials(tls, ca, tokenFile), {
    'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
    // What may be sent again has to be kept; by default that is 1 MiB.
    'grpc.per_rpc_retry_buffer_size': 64 * 1024 * 1024,
    'grpc.retry_buffer_size': 64 * 1024 * 1024,
  });
}

function credentials(tls, ca, tokenFile) {
  if (!tls && !ca) {
    if (tokenFile) throw new Error('--token-file needs --tls or --ca: else anybody on the way could read the token');
    return grpc.credentials.createInsecure();
  }
  const secure = grpc.credentials.createSsl(ca ? readFileSync(ca) : null);
  if (!tokenFile) return secure;
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`);
  const token = grpc.credentials.createFromMetadataGenerator((_, callback) => callback(null, metadata));
  return grpc.credentials.combineChannelCredentials(secure, token);
}

// A live stream has no deadline: it lasts as long as somebody speaks.
function begin(client, { live, timeout }) {
  return live ? client.StreamTranscribe() : client.Transcribe({ deadline: Date.now() + 1000 * timeout });
}

async function* requests({ live, language, recording }) {
  const speech = { language, word_times: true };
  const samples = { encoding: 'AUDIO_ENCODING_LINEAR_PCM', sample_rate_hertz: 16000 };
  yield { config: live ? { speech, audio_format: samples, interim_results: true } : { speech } };
  const source = live ? process.stdin : createReadStream(recording, { highWaterMark: CHUNK_BYTES });
  for await (const audio of source) yield { audio };
}

function show({ language, segment, interim, final }) {
  if (language) console.log(`[${language.language}, ${Math.round(100 * language.probability)}% sure]`);
  if (interim) console.log(`... ${interim.text.trim()}`);
  for (const { text, words } of final ? final.segments : [segment].filter(Boolean)) {
    console.log(text.trim());
    for (const word of words) {
      console.log(`${word.start.toFixed(2).padStart(7)} ${word.end.toFixed(2).padStart(7)}${word.text}`);
    }
  }
}

async function receive(call) {
  for await (const response of call) show(response);
}

try {
  const chosen = options();
  const client = connect(chosen);
  const call = begin(client, chosen);
  // Ctrl-C ends whoever records; what was said last still comes.
  if (chosen.live) process.on('SIGINT', () => {});
  // Read while it is sent: a client that does not read is not read from.
  await Promise.all([receive(call), pipeline(requests(chosen), call)]);
  client.close();
} catch (error) {
  const status = grpc.status[error.code];
  console.error(status ? `${status}: ${error.details}. ${WHAT_TO_DO[error.code] ?? ''}` : error.message);
  process.exit(1);
}
