"""Each company's people are told in their language; developers read one (GT-3.1.2f)."""
import time

import pytest
from patience import patient
from api import ApiError


def told(fn, **fields):
    """(English status message, language, text) of what must not work."""
    with pytest.raises(ApiError) as e:
        fn(**fields)
    return (e.value.details, *e.value.localized)


def desk_of(company, agent):
    login = company.api.with_token("").auth.Login(tenant=company.tenant, agent_id=agent, password=company.agents[agent].password)
    return company.api.with_token(login.access_token).desk


def speaks(company, language):
    company.own.admin.UpdateTenant(tenant={"name": company.parent, "language": language}, update_mask="language")


@pytest.fixture
def traditional(scene):
    """Huaxia reads Traditional Chinese for the time of a test."""
    speaks(scene.huaxia, "zh-Hant")
    yield scene.huaxia
    speaks(scene.huaxia, "")


def test_one_companys_seats_read_english_and_the_others_traditional_chinese_GT_3_1_2f(scene, traditional):
    english = "state: the agent is SIGNED_OUT: only an agent in WRAP_UP can finish it"
    assert told(desk_of(scene.acme, "1002").FinishWrapUp) == (english, "en", english)
    traditional_desk, end = desk_of(traditional, "8001").FinishWrapUp, time.monotonic() + patient(5)
    while told(traditional_desk)[1] == "en" and time.monotonic() < end:
        time.sleep(0.05)  # what is published is a moment on its way to the desk
    assert told(traditional_desk) == (english, "zh-Hant", "state: 座席目前為已登出：只有處於話後處理的座席可以結束它")


def test_reports_and_recordings_speak_the_tenants_language_too_GT_3_1_2f(scene, traditional):
    api = traditional.api.with_token(traditional.own.token_for(traditional.tenant, "SCOPE_SUPERVISOR"))
    assert told(api.recordings.GetRecording, recording_id="none")[1:] == ("zh-Hant", "recording_id: 沒有這個錄音")
    assert told(api.reports.GetSummary, from_ms=2, to_ms=1)[1:] == ("zh-Hant", "from_ms: 必須早於 to_ms")
