import { useQuery } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { Card } from '@/components/ui/Card'
import { TextArea, TextField } from '@/components/ui/Field'
import { FilePicker } from '@/components/ui/FilePicker'
import type { SetField } from './AuctionOptions'
import type { FormErrors, TaskForm } from './lib/form'

const KNOWN = ['data_processing', 'text_analysis', 'analytics', 'compute', 'ml_training', 'storage']

function useCapabilities(): string[] {
  const agents = useQuery({ queryKey: keys.agents, queryFn: () => endpoints.agentsAvailable(), staleTime: 60_000 })
  return [...new Set([...KNOWN, ...(agents.data ?? []).flatMap((agent) => agent.capabilities)])]
}

interface WorkFieldsProps {
  form: TaskForm
  errors: FormErrors
  set: SetField
}

/** What is to be done, by which kind of agent, from which files. */
export function WorkFields({ form, errors, set }: WorkFieldsProps) {
  const capabilities = useCapabilities()
  return (
    <Card title="The work">
      <div className="grid gap-4">
        <TextField
          label="Title"
          placeholder="Profile a CSV of sales"
          maxLength={120}
          value={form.title}
          error={errors.title}
          onChange={(event) => set('title', event.target.value)}
        />
        <TextArea
          label="Description"
          placeholder="What should be done, and what should the result look like?"
          maxLength={20_000}
          value={form.description}
          error={errors.description}
          onChange={(event) => set('description', event.target.value)}
        />
        <TextField
          label="Capability"
          hint="Only agents that offer it will bid."
          list="capabilities"
          value={form.capability}
          error={errors.capability}
          onChange={(event) => set('capability', event.target.value)}
        />
        <datalist id="capabilities">
          {capabilities.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <FilePicker
          label="Input files"
          hint="Names and sizes are public; contents go to the agent that wins, a verifier and jurors."
          files={form.files}
          error={errors.files}
          onChange={(files) => set('files', files)}
        />
      </div>
    </Card>
  )
}
