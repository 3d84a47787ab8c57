"""The kinds of records Claude Code writes that hold nothing of the conversation, by name.

No document describes the format; these are the kinds seen in sessions of versions 1 and 2. A kind that
is neither here nor read in `claude.py` is new to us and is kept as a placeholder.
"""

BOOKKEEPING = frozenset(
    {
        "agent-color",
        "agent-name",
        "agent-setting",
        "attribution-snapshot",
        "bridge-session",
        "content-replacement",
        "file-history-delta",
        "file-history-snapshot",
        "frame-link",
        "last-prompt",
        "mode",
        "permission-mode",
        "pr-link",
        "queue-operation",  # what was queued comes again, as a user line or an attachment, when it is taken up
        "saved_hook_context",
        "speculation-accept",
        "tag",
        "task-summary",
        "worktree-state",
    }
)

PROGRESS_BOOKKEEPING = frozenset(
    {
        "bash_progress",  # partial output; the call's result holds it whole
        "hook_progress",
        "mcp_progress",
        "powershell_progress",
        "query_update",
        "search_results_received",
        "waiting_for_task",
    }
)

PROGRESS_OF_AGENTS = frozenset({"agent_progress", "skill_progress"})

SYSTEM_BOOKKEEPING = frozenset(
    {
        "api_error",  # one per retry; what came of it follows
        "api_metrics",
        "bridge_status",
        "file_snapshot",
        "init",
        "memory_saved",
        "microcompact_boundary",
        "permission_retry",
        "stop_hook_summary",
        "thinking",
        "turn_duration",
    }
)

ATTACHMENT_FILES = frozenset({"directory", "edited_text_file", "file", "pdf_reference", "selected_lines_in_ide"})

ATTACHMENT_BOOKKEEPING = frozenset(
    {
        "agent_listing_delta",
        "agent_mention",
        "already_read_file",
        "async_hook_response",
        "auto_mode",
        "auto_mode_exit",
        "budget_usd",
        "command_permissions",
        "compact_file_reference",
        "compaction_reminder",
        "context_efficiency",
        "critical_system_reminder",
        "date_change",
        "deferred_tools_delta",
        "diagnostics",
        "dynamic_skill",
        "hook_additional_context",
        "hook_blocking_error",
        "hook_cancelled",
        "hook_error_during_execution",
        "hook_non_blocking_error",
        "hook_permission_decision",
        "hook_stopped_continuation",
        "hook_success",
        "hook_system_message",
        "invoked_skills",
        "max_turns_reached",
        "mcp_instructions_delta",
        "mcp_resource",
        "nested_memory",
        "opened_file_in_ide",
        "output_style",
        "plan_file_reference",
        "plan_mode",
        "plan_mode_exit",
        "plan_mode_reentry",
        "relevant_memories",
        "skill_listing",
        "structured_output",
        "task_progress",
        "task_reminder",
        "task_status",
        "todo",
        "todo_reminder",
        "token_usage",
        "ultrathink_effort",
        "verify_plan_reminder",
    }
)

# A line of role user that starts so was put in by the tool and typed by nobody.
MACHINE_WORDS = (
    "<bash-stderr>",
    "<bash-stdout>",
    "<local-command-caveat>",
    "<local-command-stderr>",
    "<local-command-stdout>",
    "<system-reminder>",
    "<task-notification>",
)
