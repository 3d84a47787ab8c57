"""The kinds of records Codex CLI writes: which are read, which repeat what others say, which are bookkeeping.

After `codex-rs/protocol` and `codex-rs/rollout` of openai/codex (what its policy lets into a rollout file).
A kind that is neither here nor read in `codex.py` is kept as a placeholder.
"""

ENVELOPE_KINDS = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})

ENVELOPE_BOOKKEEPING = frozenset({"turn_context", "world_state"})

ITEM_BOOKKEEPING = frozenset(
    {
        "additional_tools",
        "compaction",  # encrypted
        "compaction_summary",
        "compaction_trigger",
        "context_compaction",
        "ghost_snapshot",
        "other",
    }
)

# Events for the screen. What they say of the conversation stands in a response_item too.
EVENT_BOOKKEEPING = frozenset(
    {
        "agent_message",
        "agent_reasoning",
        "agent_reasoning_raw_content",
        "agent_reasoning_section_break",
        "background_event",
        "context_compacted",
        "exec_command_begin",
        "exec_command_end",
        "image_generation_end",
        "item_started",
        "mcp_tool_call_begin",
        "mcp_tool_call_end",
        "patch_apply_begin",
        "patch_apply_end",
        "session_configured",
        "sub_agent_activity",
        "task_complete",
        "task_started",
        "thread_goal_updated",
        "thread_settings_applied",
        "token_count",
        "turn_complete",
        "turn_diff",
        "turn_started",
        "user_message",
        "view_image_tool_call",
        "web_search_begin",
        "web_search_end",
    }
)

CALLS = frozenset(
    {
        "custom_tool_call",
        "function_call",
        "image_generation_call",
        "local_shell_call",
        "mcp_tool_call",
        "tool_search_call",
        "web_search_call",
    }
)

CALLS_WITHOUT_OUTPUT = frozenset({"image_generation_call", "web_search_call"})

OUTPUTS = frozenset(
    {
        "custom_tool_call_output",
        "function_call_output",
        "local_shell_call_output",
        "mcp_tool_call_output",
        "tool_search_output",
    }
)

# A message of role user that starts so was put in by the tool and typed by nobody.
MACHINE_WORDS = (
    "# AGENTS.md instructions",
    "<INSTRUCTIONS>",
    "<environment_context>",
    "<permissions instructions>",
    "<skill>",
    "<skills_instructions>",
    "<subagent_notification>",
    "<turn_aborted>",
    "<user_instructions>",
    "<user_shell_command>",
)
