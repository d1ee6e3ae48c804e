/* What an agent can have a score in besides the overall one. See docs/Rules.md. */

export const SPECIALTIES = {
  task_type: ['compute', 'ml_training', 'data_processing', 'storage', 'analytics'],
  industry: ['finance', 'healthcare', 'media', 'gaming', 'research'],
  region: ['us-east', 'us-west', 'eu-west', 'asia-pacific'],
} as const

export type Dimension = keyof typeof SPECIALTIES

/** Whether the award of a task of this capability weighs scores in a specialty: only types of work have them. */
export const isTaskType = (capability: string): boolean =>
  (SPECIALTIES.task_type as readonly string[]).includes(capability)
