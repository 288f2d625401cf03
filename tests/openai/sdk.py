"""Has PyPI's `openai` SDK read what a server sends, strictly, and tells what it made of it.

Reads one exchange per line from standard input, as JSON: the API, the request, and what the server sends as its answer. Makes the request and
compares. Prints one line per exchange: what is wrong, as a JSON string, or null.
"""

import json
import sys

import openai
import pydantic

ERRORS = (openai.OpenAIError, ValueError, TypeError, KeyError, AssertionError, RuntimeError)


def told(value):
    """What the SDK has of an object: only members that came."""
    return value.to_dict(mode="json", exclude_unset=True)


def compare(made, sent, where):
    if made != sent:
        raise AssertionError(f"{where}: the SDK has {json.dumps(made)} of {json.dumps(sent)}")


def read(client, api, request, answer):
    calls = client.responses if api == "responses" else client.chat.completions
    if not request.get("stream"):
        compare(told(calls.create(**request)), answer[0], "answer")
        return
    events = [told(event) for event in calls.create(**request)]
    for number, (made, sent) in enumerate(zip(events, answer)):
        compare(made, sent, f"event {number}")
    compare(len(events), len(answer), "number of events")


def put_together(client, api, request, answer):
    """The SDK's own way to make an answer of its events."""
    if api != "responses" or answer[-1].get("type") != "response.completed":
        return
    request = {name: value for name, value in request.items() if name != "stream"}
    with client.responses.stream(**request) as stream:
        made = stream.get_final_response()
    compare(made.output_text, text(answer[-1]["response"]), "text put together")


def text(response):
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


def complaint(step, *exchange):
    try:
        step(*exchange)
    except ERRORS as error:
        return f"{type(error).__name__}: {misfits(error.__cause__) or error}"
    return None


def misfits(error):
    """What does not fit, without the types that the value was not meant to be."""
    if not isinstance(error, pydantic.ValidationError):
        return None
    errors = error.errors()
    others = {one["loc"][0] for one in errors if one["loc"][-1] == "type" and one["type"] == "literal_error"}
    return [(".".join(map(str, one["loc"])), one["msg"]) for one in errors if one["loc"][0] not in others]


def main():
    # Strict: what does not fit the SDK's types is an error, and not passed on as it is.
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0, timeout=20, _strict_response_validation=True)
    for line in sys.stdin:
        asked = json.loads(line)
        exchange = (client, asked["api"], asked["request"], asked["answer"])
        # Both, whatever becomes of the first: the server has an answer for each.
        wrong = [complaint(step, *exchange) for step in (read, put_together)]
        print(json.dumps(next(filter(None, wrong), None)), flush=True)


main()
