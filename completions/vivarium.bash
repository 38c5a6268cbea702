# Completion of vivarium(1) for bash.

_vivarium() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' word
    local commands='serve run validate info history doctor token help'
    local common='--help --version --env-file
        --timeout --max-timeout --max-output-size --max-code-size --enable-network
        --enable-filesystem --enable-data-science --allowed-imports --default-memory-limit
        --max-memory-limit --enable-container-mode --container-image --container-runtime
        --container-pool-size --isolation --max-concurrency --client-concurrency --queue-size
        --pool-size --host --port --tokens-file --oauth-issuer --oauth-resource --oauth-jwks
        --allowed-hosts --allowed-origins --tls-cert --tls-key --grace --cpu-limit --max-threads
        --work-size --work-files --max-artifacts --artifact-ttl --artifact-size --rate-limit
        --network-allow --network-deny --python --python-path --state-dir --audit-log
        --history --history-rows --history-days --log-level'
    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] && continue
        command=$word
        break
    done
    if [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
        return
    fi
    case $prev in
    --env-file | --tokens-file | --tls-cert | --tls-key | --oauth-jwks | --python | --state-dir | --python-path)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --isolation) word='auto namespaces landlock' ;;
    --audit-log) word='on off required' ;;
    --history) word='on off code' ;;
    --log-level) word='debug info warning error' ;;
    *) word= ;;
    esac
    if [[ -n $word ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
        return
    fi
    case $command in
    serve) word="$common --http" ;;
    run) word="$common --json --only-imports --memory-limit --use-container" ;;
    validate) word="$common --json" ;;
    info) word="$common --json --env --man" ;;
    history) word="$common --json -n --failed" ;;
    doctor) word=$common ;;
    token) word='--help --version --rate --profiles --expires' ;;
    help) word=$commands ;;
    esac
    if [[ $cur == -* || $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
    elif [[ $command == run || $command == validate ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _vivarium vivarium
