import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useEffect, useId, useState } from 'react'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { TextField } from '../ui/Field'

const CAPABILITY = /^[a-z0-9_]{2,40}$/

interface CapabilityFieldProps {
  value: string
  /** Told when a capability is written out: on Enter, on leaving the field, on choosing one; empty for any. */
  onChange: (capability: string) => void
}

/** Asks for a capability, with those of the agents that are there now to choose from. */
export function CapabilityField({ value, onChange }: CapabilityFieldProps) {
  const [text, setText] = useState(value)
  const list = useId()
  useEffect(() => setText(value), [value])
  const agents = useQuery({ queryKey: keys.agents, queryFn: () => endpoints.agentsAvailable(), staleTime: 60_000 })
  const known = [...new Set((agents.data ?? []).flatMap((agent) => agent.capabilities))].sort()
  const wrong = text !== '' && !CAPABILITY.test(text)
  const commit = (next: string) => {
    if (next !== value && (next === '' || CAPABILITY.test(next))) onChange(next)
  }
  const write = (next: string) => {
    setText(next)
    if (next === '' || known.includes(next)) commit(next)
  }
  return (
    <form
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        commit(text)
      }}
    >
      <TextField
        label="Capability"
        placeholder="any"
        list={list}
        value={text}
        error={wrong ? 'Lower-case letters, digits and _ only.' : null}
        onChange={(event) => write(event.target.value.trim())}
        onBlur={() => commit(text)}
      />
      <datalist id={list}>
        {known.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  )
}
