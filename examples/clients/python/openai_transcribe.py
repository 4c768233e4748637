"""Write down a recording with OpenAI's own package: its words with their times, and its language.

    pip install openai
    python openai_transcribe.py http://HOST:8000/v1 recording.mp3 [--language ko] [--token-file token]

Where the server's certificate is of a company's own authority, set SSL_CERT_FILE=ca.pem and say https://.
"""

import argparse
import sys
from pathlib import Path

import openai


def main() -> int:
    """Print what is said in a recording."""
    parser = argparse.ArgumentParser(description="Write down a recording.")
    parser.add_argument("server", help="http://HOST:8000/v1, or https://")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--language", help="such as en or ko; left out to be detected")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for each try")
    parser.add_argument("--token-file", type=Path, help="file of the token that the server asks for; needs https")
    options = parser.parse_args()
    if options.token_file and not options.server.startswith("https:"):
        parser.error("--token-file needs https: else anybody on the way could read the token")
    token = options.token_file.read_text().strip() if options.token_file else "none"
    # Tried again while the server is away or busy, then for as long as it says.
    client = openai.OpenAI(base_url=options.server, api_key=token, timeout=options.timeout, max_retries=5)
    try:
        heard = client.audio.transcriptions.create(
            model="whisper-1",
            file=options.recording,
            language=options.language or openai.omit,
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
    except OSError as error:
        sys.exit(str(error))
    except openai.APITimeoutError:
        sys.exit("It took too long: raise --timeout, or try again when the server has less to do.")
    except openai.APIConnectionError as error:
        sys.exit(
            f"{options.server} cannot be reached ({error.__cause__}). Is a server running there, and has it loaded its "
            "model? Does it want https?"
        )
    except openai.RateLimitError as error:
        sys.exit(f"The server is busy ({error.message}): try again later.")
    except openai.APIStatusError as error:
        sys.exit(error.message)
    print(f"[{heard.language}] {heard.text}")
    for word in heard.words or []:
        print(f"{word.start:7.2f} {word.end:7.2f} {word.word}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
