# The server's image with a model inside: nothing is pulled and no volume is needed where it runs.
#
#   docker buildx build --file images/baked.Dockerfile --tag registry.example.com/speech/whisper-server-turbo:1 \
#     --build-arg LOADER=registry.example.com/speech/whisper-loader:0.1.0 \
#     --build-arg SERVER=registry.example.com/speech/whisper-server:0.1.0 \
#     --build-arg SOURCE=s3://models/turbo.tar.zst --build-arg DIGEST=sha256:… \
#     --secret id=aws_access_key_id,src=KEY-ID-FILE --secret id=aws_secret_access_key,src=KEY-FILE images
#
# SOURCE, OPTIONS and the secrets' names are those of whisper-model pull (docs/sources.md); secrets stay out of the image.
# DIGEST is what an earlier pull of the model printed: another model ends the build. Left out, any model is taken.
ARG LOADER
ARG SERVER

FROM ${LOADER} AS model
ARG SOURCE
ARG DIGEST=
# Such as --quantization int8_float16 or --endpoint https://minio.example:9000
ARG OPTIONS=
RUN --mount=type=secret,id=aws_access_key_id,target=/run/source/aws_access_key_id,uid=10001 \
    --mount=type=secret,id=aws_secret_access_key,target=/run/source/aws_secret_access_key,uid=10001 \
    --mount=type=secret,id=aws_session_token,target=/run/source/aws_session_token,uid=10001 \
    --mount=type=secret,id=credentials,target=/run/source/credentials,uid=10001 \
    --mount=type=secret,id=key.json,target=/run/source/key.json,uid=10001 \
    --mount=type=secret,id=apiKey,target=/run/source/apiKey,uid=10001 \
    --mount=type=secret,id=token,target=/run/source/token,uid=10001 \
    --mount=type=secret,id=username,target=/run/source/username,uid=10001 \
    --mount=type=secret,id=password,target=/run/source/password,uid=10001 \
    --mount=type=secret,id=headers,target=/run/source/headers,uid=10001 \
    --mount=type=secret,id=.dockerconfigjson,target=/run/source/.dockerconfigjson,uid=10001 \
    --mount=type=secret,id=ca.crt,target=/run/ca/ca.crt,uid=10001 \
    set -- --store /tmp/store $OPTIONS \
    && if [ -n "$(ls -A /run/source 2>/dev/null)" ]; then set -- "$@" --secret-dir /run/source; fi \
    && if [ -f /run/ca/ca.crt ]; then set -- "$@" --ca-bundle /run/ca/ca.crt; fi \
    && pulled=$(whisper-model pull "$SOURCE" "$@") \
    && digest=${pulled%% *} \
    && if [ -n "$DIGEST" ] && [ "$digest" != "$DIGEST" ]; then echo "the model is $digest, not $DIGEST" >&2; exit 1; fi \
    && mv "/tmp/store/artifacts/${digest#sha256:}" /tmp/model

FROM ${SERVER}
COPY --from=model /tmp/model /model
ENV WHISPER_SERVER_MODEL=/model
CMD []
